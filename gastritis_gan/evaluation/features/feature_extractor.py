"""What every feature extractor looks like."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class FeatureExtractor(Protocol):
    """Turns grey-scale patches into feature vectors, each patch on its own."""

    @property
    def name(self) -> str:
        """The extractor's name in the experiment file."""

    @property
    def dim(self) -> int:
        """Number of features."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes features.

        Args:
            images: Shape `(n, r, r, 1)`, in [-1, 1].

        Returns:
            Features of shape `(n, dim)`.
        """

    def describe(self) -> dict[str, Any]:
        """Returns what another person needs to compute the same features, JSON-able."""
