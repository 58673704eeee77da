"""Votes of patches, and what they decide for an image or a patient."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

RULES = ("majority", "mean_score")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Votes:
    """The votes on n images (or patients).

    Attributes:
        positive: Shape `(n,)`: how many patches were classified as positive.
        total: Shape `(n,)`: how many patches voted.
        score_sum: Shape `(n,)`: sum of the classifier's scores of those patches.
    """

    positive: NDArray[np.int64]
    total: NDArray[np.int64]
    score_sum: NDArray[np.float64]

    @classmethod
    def zeros(cls, count: int) -> Votes:
        """Returns no votes on `count` images."""
        return cls(
            positive=np.zeros(count, np.int64),
            total=np.zeros(count, np.int64),
            score_sum=np.zeros(count),
        )

    def add(self, position: int, scores: NDArray[np.float64]) -> None:
        """Adds the votes of patches with these scores on the image at `position`."""
        self.positive[position] += int(np.sum(scores > 0))
        self.total[position] += len(scores)
        self.score_sum[position] += float(scores.sum())

    def pooled(self, group: NDArray[np.int64]) -> Votes:
        """Returns the votes on groups of images.

        Args:
            group: Shape `(n,)`: the number of each image's group, from 0.
        """
        pooled = Votes.zeros(int(group.max()) + 1)
        np.add.at(pooled.positive, group, self.positive)
        np.add.at(pooled.total, group, self.total)
        np.add.at(pooled.score_sum, group, self.score_sum)
        return pooled

    def of(self, chosen: NDArray[np.bool_]) -> Votes:
        """Returns the votes on the chosen images; `chosen` has the shape `(n,)`."""
        return Votes(
            positive=self.positive[chosen],
            total=self.total[chosen],
            score_sum=self.score_sum[chosen],
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a rule made of the votes on n images, or patients.

    Attributes:
        labels: Shape `(n,)`: whether each is positive in truth.
        patients: Shape `(n,)`: whose each is.
        predictions: Shape `(n,)`: whether each is decided to be positive.
        scores: Shape `(n,)`: what the decision cuts; higher means positive.
        ties: Shape `(n,)`: whether the votes were equal.
    """

    labels: NDArray[np.bool_]
    patients: NDArray[Any]
    predictions: NDArray[np.bool_]
    scores: NDArray[np.float64]
    ties: NDArray[np.bool_]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Shape `(n,)`: whether each decision is right."""
        return np.asarray(self.labels == self.predictions)


def decide(
    votes: Votes, labels: NDArray[np.bool_], patients: NDArray[Any], *, rule: str
) -> Decisions:
    """Decides each image; one without a voting patch is left out.

    Args:
        votes: The votes on n images.
        labels: Shape `(n,)`; True is positive.
        patients: Shape `(n,)`: whose each image is.
        rule: "majority" of the patches (the paper's), or the sign of the "mean_score".
            The paper does not state what a tie means. Here a tie counts as positive: in
            screening, a missed patient costs more than a second look.
    """
    has_votes = votes.total > 0
    votes, labels, patients = (
        votes.of(has_votes),
        labels[has_votes],
        patients[has_votes],
    )
    ties = 2 * votes.positive == votes.total
    if rule == "majority":
        scores = votes.positive / votes.total
        predictions = 2 * votes.positive >= votes.total
    else:
        scores = votes.score_sum / votes.total
        predictions = scores > 0
    return Decisions(
        labels=labels,
        patients=patients,
        predictions=predictions,
        scores=scores,
        ties=ties,
    )


def decide_patients(
    votes: Votes, labels: NDArray[np.bool_], patients: NDArray[Any], *, rule: str
) -> Decisions:
    """Decides each patient by the votes of all the patient's patches.

    A patient with a positive image is positive. Arguments as for `decide`; the
    decisions follow the sorted patients.
    """
    names, group = np.unique(patients, return_inverse=True)
    is_positive = np.zeros(len(names), bool)
    is_positive[group[labels]] = True
    return decide(votes.pooled(group), is_positive, names, rule=rule)
