"""Precision, recall, density and coverage between two sets of features."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances

NUM_NEIGHBOURS = 5
_ROWS_AT_ONCE = 512


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prdc:
    """How well generated features cover real ones, and the reverse.

    Attributes:
        precision: Fraction of generated rows inside the ball of some real row.
        recall: Fraction of real rows inside the ball of some generated row.
        density: How many real balls hold a generated row, on average, over k; about 1
            for two draws from one distribution, and not bounded by it.
        coverage: Fraction of real rows whose ball holds a generated row.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(
    real: NDArray[Any],
    generated: NDArray[Any],
    *,
    real_patients: NDArray[Any],
    generated_patients: NDArray[Any] | None = None,
) -> Prdc:
    """Compares balls around the rows, each up to the row's fifth nearest neighbour.

    A real row's neighbours are rows of other patients only: patches of one patient
    overlap, and balls among them would be too small for any other patient to enter.

    Args:
        real: Features of shape `(n, dim)`.
        generated: Features of shape `(m, dim)`.
        real_patients: Shape `(n,)`: whose patch each row is.
        generated_patients: Shape `(m,)`, where `generated` holds real patches of other
            patients, as for a floor; None takes every row for a patient of its own.

    Raises:
        ValueError: A row has fewer than five rows of other patients to be compared
            with.

    References: [Naeem et al., 2020](https://arxiv.org/abs/2002.09797), section 3; k = 5
        as there; precision and recall after [Kynkäänniemi et al.,
        2019](https://arxiv.org/abs/1904.06991).
    """
    if generated_patients is None:
        generated_patients = np.arange(len(generated))
    real_radii = _squared_radii(real, real_patients)
    generated_radii = _squared_radii(generated, generated_patients)
    balls_of_generated = np.zeros(len(generated), np.int64)
    is_recalled = np.zeros(len(real), bool)
    is_covered = np.zeros(len(real), bool)
    for start in range(0, len(real), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        squared = _squared_distances(real[rows], generated)  # [rows, m]
        is_in_real_ball = squared < real_radii[rows, None]
        balls_of_generated += is_in_real_ball.sum(axis=0)
        is_covered[rows] = is_in_real_ball.any(axis=1)
        is_recalled[rows] = (squared < generated_radii).any(axis=1)
    return Prdc(
        precision=float((balls_of_generated > 0).mean()),
        recall=float(is_recalled.mean()),
        density=float(balls_of_generated.mean() / NUM_NEIGHBOURS),
        coverage=float(is_covered.mean()),
    )


def _squared_radii(
    features: NDArray[Any], patients: NDArray[Any]
) -> NDArray[np.float64]:
    """Returns each row's squared distance to its k-th neighbour of another patient."""
    radii = np.empty(len(features))
    for start in range(0, len(features), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        squared = _squared_distances(features[rows], features)
        squared[patients[rows, None] == patients] = np.inf  # the row itself, too
        if squared.shape[1] < NUM_NEIGHBOURS:
            radii[rows] = np.inf
        else:
            nearest = np.partition(squared, NUM_NEIGHBOURS - 1, axis=1)
            radii[rows] = nearest[:, NUM_NEIGHBOURS - 1]
    if not np.isfinite(radii).all():
        raise ValueError(
            f"every row needs {NUM_NEIGHBOURS} rows of other patients. Received: "
            f"{len(features)} rows of {len(np.unique(patients))} patients"
        )
    return radii


def _squared_distances(
    first: NDArray[Any], second: NDArray[Any]
) -> NDArray[np.float64]:
    return np.asarray(
        euclidean_distances(
            first.astype(np.float64), second.astype(np.float64), squared=True
        )
    )
