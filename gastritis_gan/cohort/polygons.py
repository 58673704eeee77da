"""Fills polygons: pure NumPy, on the pixel grid of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fill_polygon(points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Marks the pixels whose centre lies inside a polygon, by the even-odd rule.

    Pixel (row, column) covers [column, column + 1) x [row, row + 1), so that the centre
    of the first is (0.5, 0.5) and a polygon over the whole image has the corners (0, 0)
    and (width, height).

    Args:
        points: ndarray of float of shape (n, 2): x (column) and y (row) of the corners.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.
    """
    height, width = shape
    toggles = np.zeros((height, width + 1), bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        top, bottom = sorted((_first_centre(y0, height), _first_centre(y1, height)))
        rows = np.arange(top, bottom)  # an edge owns its upper end only
        if rows.size == 0:
            continue
        crossing = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
        # every pixel from the crossing to the right changes sides
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.intp)
        toggles[rows, columns] ^= True
    inside: np.ndarray = np.logical_xor.accumulate(toggles, axis=1)[:, :width]
    return inside


def combine_parts(parts: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Unites the parts of an outline; a part within another is a hole.

    From the largest part to the smallest: one that lies wholly inside what there is so
    far is cut out of it, any other is added, so that an island in a hole is inside.

    Args:
        parts: ndarrays of bool of shape `shape`.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.
    """
    mask = np.zeros(shape, bool)
    for part in sorted(parts, key=np.count_nonzero, reverse=True):
        if (part & ~mask).any():
            mask |= part
        else:
            mask &= ~part
    return mask


def _first_centre(y: float, height: int) -> int:
    """Returns the first row whose centre is at or below `y`, within the image."""
    return int(np.clip(np.ceil(y - 0.5), 0, height))
