"""Exact area averaging: every output pixel is the mean of the box it covers.

The means are products with sparse matrices, once along the rows and once along the
columns. A product with dense ones would be four times the work of a BLAS library, which
starts its own threads inside every reading thread and rounds differently on each
machine; SciPy's sparse product is one plain loop without the interpreter's lock.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy.sparse

_PADDING = 16  # columns; see `_turned`


class AreaResize:
    """Averages square images of one size down to one resolution.

    Output pixel i covers the inputs from i * size / resolution to (i + 1) * size /
    resolution; an input on the edge counts by the part of it that is covered. It keeps
    working memory: use one in each thread.

    Args:
        size: Side of the images.
        resolution: Side of the output in pixels, at most `size`.
        scale: What the means are multiplied by.
        offset: What is added after that.

    Raises:
        ValueError: `resolution` is below 1 or above `size`.
    """

    def __init__(
        self, size: int, resolution: int, *, scale: float = 1.0, offset: float = 0.0
    ) -> None:
        if not 1 <= resolution <= size:
            raise ValueError(
                f"`resolution` must be from 1 to the image's size ({size}). "
                f"Received: {resolution}"
            )
        self._resolution = resolution
        self._rows = _averages(size, resolution)  # [T, S]
        self._columns = self._rows * np.float32(scale)  # [T, S]
        self._offset = np.float32(offset)
        self._image = np.empty((size, size), np.float32)
        # Without padding a column of a product whose rows are a power of two long lies
        # in a few sets of the cache, and is slow to read.
        self._turned = np.zeros((size, resolution + _PADDING), np.float32)

    def __call__(self, image: np.ndarray, out: np.ndarray) -> None:
        """Writes the means of `image`, scaled and shifted, to `out`.

        Args:
            image: ndarray of shape (size, size), any real dtype.
            out: ndarray of float32 of shape (resolution, resolution).
        """
        self._image[...] = image
        narrow = self._rows @ self._image  # [T, S]
        self._turned[:, : self._resolution] = narrow.T
        small = self._columns @ self._turned  # [T, T + padding]
        np.add(small[:, : self._resolution].T, self._offset, out=out)


def area_resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """Averages a square image down to `resolution` pixels; see `AreaResize`.

    Args:
        image: ndarray of shape (size, size), any real dtype.
        resolution: Side of the output in pixels, at most `size`.

    Returns:
        ndarray of float32 of shape (resolution, resolution), in the range of `image`.

    Raises:
        ValueError: `resolution` is below 1 or above `size`.
    """
    resize = AreaResize(len(image), resolution)
    out = np.empty((resolution, resolution), np.float32)
    resize(image, out)
    return out


@functools.lru_cache(maxsize=32)
def _averages(source: int, target: int) -> scipy.sparse.csr_matrix:
    """Returns the weights of `source` rows in `target` means, float32 of [T, S]."""
    # In units of 1 / target of an input every edge is an integer.
    edges = np.union1d(
        np.arange(0, source * target, target), np.arange(0, source * target, source)
    )
    lengths = np.diff(edges, append=source * target)
    weights = (lengths / source).astype(np.float32)
    return scipy.sparse.csr_matrix(
        (weights, (edges // source, edges // target)), shape=(target, source)
    )
