"""All windows of an image, in quarter-pixel steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.window_norms import box_sums, inverse_norms

STEPS = 4  # per pixel
_WORST = np.float32(-2.0)  # below every correlation


class QuarterPixelWindows:
    """Windows that start at any quarter of a pixel.

    Args:
        quarters: The image, averaged so that `STEPS` of its pixels make one pixel of a
            window.
        size: Side of a window in pixels.
        min_deviation: Flatter windows correlate with nothing.

    Attributes:
        whole: The image at whole pixels, of shape (height, width), mean about 0.
        inverse_norm: Of the windows of `whole`.
    """

    def __init__(
        self, quarters: NDArray[np.float32], size: int, min_deviation: float
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
            [[inverse_norms(x, size, min_deviation) for x in row] for row in phases]
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
