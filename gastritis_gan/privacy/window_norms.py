"""Norms of every window of an image, without a look at the single windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MIN_SQUARED_NORM = 1e-12  # rounding leaves less of a flat window


def inverse_norms(
    image: NDArray[np.float32], size: int, min_deviation: float
) -> NDArray[np.float32]:
    """Returns 1 / norm of every window after its mean is taken out.

    Args:
        image: Shape `(height, width)`; a mean near 0 keeps the sums exact.
        size: Side of the windows in pixels.
        min_deviation: Flatter windows get 0, so that they correlate with nothing.

    Returns:
        Shape `(height - size + 1, width - size + 1)`.
    """
    total, total_of_squares = (box_sums(values, size) for values in (image, image**2))
    squared_norm = total_of_squares - total**2 / size**2
    is_textured = squared_norm >= (min_deviation * size) ** 2
    norm = np.sqrt(np.maximum(squared_norm, _MIN_SQUARED_NORM))
    return np.where(is_textured, 1 / norm, 0).astype(np.float32)


def box_sums(values: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Returns the sum of every size x size window."""
    integral = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    integral[1:, 1:] = np.cumsum(np.cumsum(values, axis=0, dtype=float), axis=1)
    rows = integral[size:] - integral[:-size]
    return np.asarray(rows[:, size:] - rows[:, :-size])
