"""Reads patches out of a store's images: nothing is copied, nothing is cached."""

from __future__ import annotations

import numpy as np

from gastritis_gan.data.area_resize import area_resize
from gastritis_gan.data.store import Store


def read_patches(store: Store, indices: np.ndarray, resolution: int) -> np.ndarray:
    """Reads patches and averages them down to `resolution`.

    Args:
        store: The store.
        indices: ndarray of int of shape (n,), rows of the patch table.
        resolution: Side of the output in pixels, at most the store's patch size.

    Returns:
        ndarray of float32 of shape (n, resolution, resolution, 1) in [-1, 1].

    Raises:
        ValueError: `resolution` is above the patch size.
    """
    patches = np.empty((len(indices), resolution, resolution, 1), np.float32)
    for index, patch in zip(indices, patches, strict=True):
        patch[..., 0] = area_resize(store.window(index), resolution)
    patches *= 2.0 / (2**store.bits - 1)
    patches -= 1.0
    return np.clip(patches, -1.0, 1.0, out=patches)  # a rounding error may pass 1
