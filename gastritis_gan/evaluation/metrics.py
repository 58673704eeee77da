"""From votes per patch to the paper's figures (section IV, Eq. 8-10)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray


def majority_vote(
    positive_votes: NDArray[np.integer[Any]], num_patches: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Decides each image by the majority of its patches.

    The paper does not state what a tie means. Here a tie counts as positive: in
    screening, a missed patient costs more than a second look.

    Args:
        positive_votes: Shape `(images,)`: how many patches were classified as positive.
        num_patches: Shape `(images,)`: how many patches voted; each at least 1.

    Returns:
        Whether each image is positive, and whether its vote was a tie; both
        `(images,)`.

    Raises:
        ValueError: An image without votes, or with more positive votes than patches.
    """
    positive_votes, num_patches = np.asarray(positive_votes), np.asarray(num_patches)
    if np.any(num_patches < 1):
        raise ValueError(
            "`num_patches` must be at least 1; leave images without patches out. "
            f"Received: num_patches={num_patches}"
        )
    if np.any(positive_votes > num_patches):
        raise ValueError(
            "`positive_votes` must not exceed `num_patches`. "
            f"Received: positive_votes={positive_votes}, num_patches={num_patches}"
        )
    return 2 * positive_votes >= num_patches, 2 * positive_votes == num_patches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Confusion:
    """Numbers of images by truth and prediction; both classes must occur."""

    true_positives: int
    false_negatives: int
    true_negatives: int
    false_positives: int

    @classmethod
    def of(cls, labels: NDArray[np.bool_], predictions: NDArray[np.bool_]) -> Confusion:
        """Counts predictions of shape `(images,)` against labels; True is positive."""
        labels, predictions = np.asarray(labels, bool), np.asarray(predictions, bool)
        return cls(
            true_positives=int(np.sum(labels & predictions)),
            false_negatives=int(np.sum(labels & ~predictions)),
            true_negatives=int(np.sum(~labels & ~predictions)),
            false_positives=int(np.sum(~labels & predictions)),
        )

    @property
    def num_positive(self) -> int:
        """Number of images that are positive in truth."""
        return self.true_positives + self.false_negatives

    @property
    def num_negative(self) -> int:
        """Number of images that are negative in truth."""
        return self.true_negatives + self.false_positives

    @property
    def sensitivity(self) -> float:
        """Eq. 8, in [0, 1]."""
        return self.true_positives / self.num_positive

    @property
    def specificity(self) -> float:
        """Eq. 9, in [0, 1]."""
        return self.true_negatives / self.num_negative

    @property
    def harmonic_mean(self) -> float:
        """Eq. 10, in [0, 1]."""
        return float(harmonic_mean(self.sensitivity, self.specificity))


def harmonic_mean(sensitivity: Any, specificity: Any) -> NDArray[np.float64]:
    """Returns the harmonic mean of sensitivity and specificity (Eq. 10).

    Args:
        sensitivity: Number or array in [0, 1].
        specificity: Number or array in [0, 1].

    Returns:
        Values in [0, 1]; 0 where both are 0, which is the limit.
    """
    sensitivity, specificity = np.asarray(sensitivity), np.asarray(specificity)
    total = sensitivity + specificity
    safe_total = np.where(total > 0, total, 1.0)
    return np.asarray(2 * sensitivity * specificity / safe_total, np.float64)
