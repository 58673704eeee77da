"""Windows of an image on a grid twice as dense as the store's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.images import AreaResize
from gastritis_gan.store.store import Store


def read_dense_windows(
    store: Store, image: int, resolution: int
) -> NDArray[np.float32]:
    """Reads the patches inside the organ, and between them.

    Args:
        store: The store.
        image: Position in its `images`.
        resolution: Side in pixels to which windows are averaged.

    Returns:
        Shape `(n, resolution, resolution)`, in [0, 1]: each patch and those half a
        stride below and to the right of it, as far as they lie in the image.
    """
    pixels = store.image(image)
    inside = store.patches_of_image(image, inside_only=True)
    size, half = store.geometry.patch_size, max(1, store.geometry.stride // 2)
    starts = np.stack([store.patch_row[inside], store.patch_column[inside]], axis=1)
    starts = np.concatenate(
        [starts + half * np.array(offset) for offset in np.ndindex(2, 2)]
    )
    starts = np.unique(starts, axis=0)
    fits = (starts + size <= pixels.shape).all(axis=1)
    windows = np.empty((fits.sum(), resolution, resolution), np.float32)
    resize = AreaResize(size, resolution)
    for (row, column), window in zip(starts[fits], windows, strict=True):
        resize(pixels[row : row + size, column : column + size], window)
    windows /= np.float32(2**store.bits - 1)
    return np.clip(windows, 0, 1, out=windows)
