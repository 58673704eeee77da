"""How features are scaled before a support vector machine sees them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

_ROWS_AT_ONCE = 1_024  # scikit-learn works on a copy in double precision


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureScaling:
    """Scales features by what the training patches' features are.

    Attributes:
        unit_length: Whether each patch's features are first brought to length 1.
        mean: Shape `(dim,)`: what is then subtracted.
        deviation: Shape `(dim,)`: by what the rest is divided.
    """

    unit_length: bool
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float32], scaling: str) -> FeatureScaling:
        """Returns the scaling for training features of shape `(n, dim)`.

        Args:
            features: Of the training patches.
            scaling: "standard", "unit_length" or "none" (see `SvmSettings`).
        """
        mean = np.zeros(features.shape[1], np.float32)
        deviation = np.ones(features.shape[1], np.float32)
        if scaling == "standard":
            scaler = StandardScaler()
            for start in range(0, len(features), _ROWS_AT_ONCE):
                scaler.partial_fit(features[start : start + _ROWS_AT_ONCE])
            mean = scaler.mean_.astype(np.float32)
            deviation = scaler.scale_.astype(np.float32)
        return cls(unit_length=scaling == "unit_length", mean=mean, deviation=deviation)

    def apply(self, features: NDArray[np.float32]) -> None:
        """Scales features of shape `(n, dim)` in place."""
        if self.unit_length:
            features /= lengths(features)
        features -= self.mean
        features /= self.deviation


def lengths(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the `(n, 1)` Euclidean lengths of rows, 1 for a row of zeros."""
    found = np.linalg.norm(features, axis=1, keepdims=True)
    return np.where(found > 0, found, np.float32(1))
