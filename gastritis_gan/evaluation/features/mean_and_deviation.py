"""The control that sees brightness and contrast only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class MeanAndDeviation:
    """Mean and standard deviation of a patch.

    A table in which these two features do as well as the others is about exposure, not
    about tissue.
    """

    name = "mean_and_deviation"
    dim = 2

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns `(n, 2)` features of `(n, r, r, 1)` images in [-1, 1]."""
        pixels = images.reshape(len(images), -1)
        return np.stack([pixels.mean(axis=1), pixels.std(axis=1)], axis=1)

    def describe(self) -> dict[str, Any]:
        """Returns the extractor's name and dimension."""
        return {"name": self.name, "dim": self.dim}
