"""Exact area averaging: every output pixel is the mean of the box it covers.

Written without matrix products: a BLAS library would start its own threads inside every
reading thread, and its rounding differs between machines. These sums are the same
everywhere.
"""

from __future__ import annotations

import functools

import numpy as np

_MAX_TAPS = 11  # with more inputs per output, whole rows are summed first


def area_resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """Averages a square image down to `resolution` pixels.

    Output pixel i covers the inputs from i * size / resolution to (i + 1) * size /
    resolution; an input on the edge counts by the part of it that is covered.

    Args:
        image: ndarray of shape (size, size), any real dtype.
        resolution: Side of the output in pixels, at most `size`.

    Returns:
        ndarray of float32 of shape (resolution, resolution), in the range of `image`.

    Raises:
        ValueError: `resolution` is below 1 or above `size`.
    """
    size = image.shape[0]
    if not 1 <= resolution <= size:
        raise ValueError(
            f"`resolution` must be from 1 to the image's size ({size}). "
            f"Received: {resolution}"
        )
    narrow = _average_rows(image.astype(np.float32), resolution)  # [R, S]
    return _average_rows(np.ascontiguousarray(narrow.T), resolution).T


def _average_rows(image: np.ndarray, target: int) -> np.ndarray:
    """Averages the rows of a float32 image, [S, W] to [T, W]."""
    source = len(image)
    if source <= (_MAX_TAPS - 1) * target:
        return _weighted_rows(image, *_taps(source, target))
    first, covered_before = _edges(source, target)
    means = np.add.reduceat(image, first, axis=0)
    before = covered_before * image[first]  # belongs to the output before
    means -= before
    means[:-1] += before[1:]
    means *= np.float32(target / source)
    return means


def _weighted_rows(
    image: np.ndarray, rows: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Sums `weights` times `rows` of the image, both of shape [K, T]."""
    total: np.ndarray = image[rows[0]]
    total *= weights[0]
    term = np.empty_like(total)  # used again: a new one each time costs page faults
    for row, weight in zip(rows[1:], weights[1:], strict=True):
        np.take(image, row, axis=0, mode="clip", out=term)
        term *= weight
        total += term
    return total


@functools.lru_cache(maxsize=32)
def _taps(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows that each output averages, and their weights."""
    num_taps = -(-source // target) + 1
    output = np.arange(target)  # [T]
    row = output * source // target + np.arange(num_taps)[:, None]  # [K, T]
    # In units of 1 / target of an input pixel every edge is an integer.
    start = np.maximum(output * source, row * target)
    stop = np.minimum((output + 1) * source, (row + 1) * target)
    weights = (np.maximum(stop - start, 0) / source).astype(np.float32)
    return np.minimum(row, source - 1), weights[:, :, None]  # [K, T], [K, T, 1]


@functools.lru_cache(maxsize=32)
def _edges(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns each output's first row and the part of it that lies before it."""
    first, remainder = np.divmod(np.arange(target) * source, target)
    return first, (remainder / target).astype(np.float32)[:, None]  # [T], [T, 1]
