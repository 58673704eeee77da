"""Windows of an image: averaged, flipped, normalised, in quarter-pixel steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLIPS = ("none", "rows", "columns", "both")
MIN_STD = 2 / 255  # of the range [0, 1]: what is flatter shows nobody
_TOLERANCE = 1e-9  # of a pixel: an edge that rounding puts beyond the border counts


def flip_patches(
    patches: NDArray[np.float32], flip: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Returns each of the `(n, r, r)` patches turned as `FLIPS[flip]` says."""
    flipped = patches.copy()
    flipped[flip == 1] = patches[flip == 1][:, ::-1]
    flipped[flip == 2] = patches[flip == 2][:, :, ::-1]
    flipped[flip == 3] = patches[flip == 3][:, ::-1, ::-1]
    return flipped


def scale_image(
    image: NDArray[np.generic], factor: float, *, offset: tuple[float, float] = (0, 0)
) -> NDArray[np.float32]:
    """Averages an image over boxes of `factor` x `factor` pixels.

    Output pixel (i, j) is the mean of the box whose top-left corner lies at `offset`
    + (i, j) * factor; a pixel that the box covers in part counts by that part. So a
    window of n * factor pixels, averaged down to n pixels by `area_resize`, equals an
    n x n block of this.

    Args:
        image: Shape `(height, width)`, any real dtype.
        factor: Pixels per output pixel, any positive number.
        offset: Row and column where the first box starts, in pixels, at least 0.

    Returns:
        Shape `(h, w)`: as many whole boxes as fit, in the range of `image`.
    """
    narrow = _average_rows(np.asarray(image, np.float64), factor, offset[0])
    return _average_rows(narrow.T, factor, offset[1]).T.astype(np.float32)


def _average_rows(
    image: NDArray[np.float64], factor: float, offset: float
) -> NDArray[np.float64]:
    size = len(image)
    num_boxes = int((size - offset) / factor + _TOLERANCE)
    edges = np.minimum(offset + factor * np.arange(num_boxes + 1), size)
    row = np.minimum(edges.astype(int), size - 1)
    part = (edges - row)[:, None]
    # The integral is linear between pixel edges.
    integral = np.concatenate([np.zeros((1, image.shape[1])), np.cumsum(image, axis=0)])
    at_edges = integral[row] * (1 - part) + integral[row + 1] * part
    return np.asarray(np.diff(at_edges, axis=0) / factor)


_MIN_SQUARED_NORM = 1e-12  # rounding leaves less of a flat window


def inverse_norms(
    image: NDArray[np.float32], size: int, min_std: float
) -> NDArray[np.float32]:
    """Returns 1 / norm of every window after its mean is taken out.

    Args:
        image: Shape `(height, width)`; a mean near 0 keeps the sums exact.
        size: Side of the windows in pixels.
        min_std: Flatter windows get 0, so that they correlate with nothing.

    Returns:
        Shape `(height - size + 1, width - size + 1)`.
    """
    total, total_of_squares = (box_sums(values, size) for values in (image, image**2))
    squared_norm = total_of_squares - total**2 / size**2
    is_textured = squared_norm >= (min_std * size) ** 2
    norm = np.sqrt(np.maximum(squared_norm, _MIN_SQUARED_NORM))
    return np.where(is_textured, 1 / norm, 0).astype(np.float32)


def box_sums(values: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Returns the sum of every size x size window."""
    integral = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    integral[1:, 1:] = np.cumsum(np.cumsum(values, axis=0, dtype=float), axis=1)
    rows = integral[size:] - integral[:-size]
    return np.asarray(rows[:, size:] - rows[:, :-size])


STEPS = 4  # per pixel
_WORST = np.float32(-2.0)  # below every correlation


class QuarterPixelWindows:
    """Windows that start at any quarter of a pixel.

    Args:
        quarters: The image, averaged so that `STEPS` of its pixels make one pixel of a
            window.
        size: Side of a window in pixels.
        min_std: Flatter windows correlate with nothing.

    Attributes:
        whole: The image at whole pixels, of shape (height, width), mean about 0.
        inverse_norm: Of the windows of `whole`.
    """

    def __init__(
        self, quarters: NDArray[np.float32], size: int, min_std: float
    ) -> None:
        boxes = box_sums(quarters - quarters.mean(), STEPS) / STEPS**2
        self._last = tuple(n - 1 - (size - 1) * STEPS for n in boxes.shape)
        height, width = (-(-n // STEPS) for n in boxes.shape)
        padded = np.zeros((height * STEPS, width * STEPS), np.float32)
        padded[: boxes.shape[0], : boxes.shape[1]] = boxes
        split = padded.reshape(height, STEPS, width, STEPS)
        # [a, b, i, j]: what starts at pixel (i + a / 4, j + b / 4)
        phases = np.ascontiguousarray(split.transpose(1, 3, 0, 2))
        self._inverse_norm = np.array(
            [[inverse_norms(x, size, min_std) for x in row] for row in phases]
        )
        self._windows = np.lib.stride_tricks.sliding_window_view(
            phases, (size, size), axis=(2, 3)
        )
        self.whole = phases[0, 0]
        self.inverse_norm = self._inverse_norm[0, 0]

    def correlate(
        self,
        patches: NDArray[np.float32],
        row: NDArray[np.int64],
        column: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Correlates each patch with its window; flat windows give 0.

        Args:
            patches: Shape `(n, size, size)`, each of mean 0 and norm 1, or all 0.
            row: Shape `(n,)`, where the windows start, in quarters of a pixel.
            column: Likewise.

        Returns:
            Shape `(n,)`, -1 to 1; -2 where there is no such window.
        """
        y, x = (
            np.clip(p, 0, n) for p, n in zip((row, column), self._last, strict=True)
        )
        exists = (y == row) & (x == column)
        place = (y % STEPS, x % STEPS, y // STEPS, x // STEPS)
        # The patches have mean 0, so the windows need not.
        score = np.einsum("nij,nij->n", patches, self._windows[place])
        score *= self._inverse_norm[place]
        return np.where(exists, score, _WORST)
