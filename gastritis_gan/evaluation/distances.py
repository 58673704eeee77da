"""Distances and overlap of two sets of features: Fréchet, kernel, PRDC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import euclidean_distances

from gastritis_gan.errors import InputError
from gastritis_gan.rng import stream

_SUBSET_SIZE = 1000
_NUM_SUBSETS = 100
NUM_NEIGHBOURS = 5
_KERNEL_SCALES = (0.25, 1.0, 4.0)
_ROWS_AT_ONCE = 512

_Kernel = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def frechet_distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Returns the squared Fréchet distance of the Gaussians fitted to two sets.

    `|m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)`, with unbiased covariances. With
    `C = R' R` the last trace is the sum of the singular values of `R1 R2'`, which needs
    no root of a nearly singular matrix.

    Args:
        first: Features of shape `(n, dim)`, n at least 2.
        second: Features of shape `(m, dim)`, m at least 2.

    Returns:
        A number from 0, in squared units of the features. It is biased upwards by
        about 1 / n: compare at equal numbers only.

    Reference: [Heusel et al., 2017](https://arxiv.org/abs/1706.08500), Eq. 6.
    """
    (mean_1, root_1), (mean_2, root_2) = (_gaussian(first), _gaussian(second))
    cross = np.linalg.svd(root_1 @ root_2.T, compute_uv=False).sum()
    distance = (
        np.sum((mean_1 - mean_2) ** 2)
        + np.sum(root_1**2)  # the trace of R' R
        + np.sum(root_2**2)
        - 2 * cross
    )
    return max(0.0, float(distance))  # a rounding error of equal sets may be negative


def _gaussian(
    features: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean and R of shape `(min(n, dim), dim)` with covariance R' R."""
    mean = features.mean(axis=0, dtype=np.float64)
    centred = (features - mean) / np.sqrt(len(features) - 1)
    if len(centred) > centred.shape[1]:
        centred = np.linalg.qr(centred, mode="r")
    return mean, centred


def kernel_distance(first: NDArray[Any], second: NDArray[Any], *, seed: int) -> float:
    """Returns the squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3.

    Unbiased, so it can be slightly negative and its expectation does not depend on the
    number of rows. It is averaged over 100 random subsets of 1,000 rows of each set (of
    all rows, once, where the smaller set has no more).

    Args:
        first: Features of shape `(n, dim)`, n at least 2.
        second: Features of shape `(m, dim)`, m at least 2.
        seed: Of the subsets.

    Reference: [Binkowski et al., 2018](https://arxiv.org/abs/1801.01401), section 4.
    """
    if min(len(first), len(second)) <= _SUBSET_SIZE:
        return _squared_discrepancy(first, second, kernel=_cubic_kernel)
    generator = stream(seed, "evaluation.kernel_distance")
    values = [
        _squared_discrepancy(
            *(
                features[generator.choice(len(features), _SUBSET_SIZE, replace=False)]
                for features in (first, second)
            ),
            kernel=_cubic_kernel,
        )
        for _ in range(_NUM_SUBSETS)
    ]
    return float(np.mean(values))


def gaussian_kernel_distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Returns the squared maximum mean discrepancy with three Gaussian kernels.

    The kernel is the sum of `exp(-|x - y|^2 / (2 s dim))` for s = 1/4, 1 and 4. It is
    unbiased, so it can be slightly negative.

    Args:
        first: Features of shape `(n, dim)`, n at least 2, with variances of about 1.
        second: Features of shape `(m, dim)`, m at least 2.

    Reference: [Gretton et al., 2012](https://jmlr.org/papers/v13/gretton12a.html),
    Eq. 3.
    """
    return _squared_discrepancy(first, second, kernel=_gaussian_kernels)


def _squared_discrepancy(
    first: NDArray[Any], second: NDArray[Any], *, kernel: _Kernel
) -> float:
    first, second = first.astype(np.float64), second.astype(np.float64)
    return (
        _mean_off_diagonal(kernel(first, first))
        + _mean_off_diagonal(kernel(second, second))
        - 2 * float(kernel(first, second).mean())
    )


def _cubic_kernel(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    base = first @ second.T / first.shape[1] + 1
    return np.asarray(base * base * base)  # a power is ten times as slow


def _gaussian_kernels(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    squares = euclidean_distances(first, second, squared=True) / first.shape[1]
    values = np.zeros_like(squares)
    for scale in _KERNEL_SCALES:
        values += np.exp(-squares / (2 * scale))
    return np.asarray(values)


def _mean_off_diagonal(kernel: NDArray[np.float64]) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def precision_recall_density_coverage(
    real: NDArray[Any],
    generated: NDArray[Any],
    *,
    real_patients: NDArray[Any],
    generated_patients: NDArray[Any] | None = None,
) -> dict[str, float]:
    """Compares balls around the rows, each up to the row's fifth nearest neighbour.

    A real row's neighbours are rows of other patients only: patches of one patient
    overlap, and balls among them would be too small for any other patient to enter.

    Args:
        real: Features of shape `(n, dim)`.
        generated: Features of shape `(m, dim)`.
        real_patients: Shape `(n,)`: whose patch each row is.
        generated_patients: Shape `(m,)`, where `generated` holds real patches of other
            patients, as for a floor; None takes every row for a patient of its own.

    Returns:
        "precision": fraction of generated rows inside the ball of some real row.
        "recall": fraction of real rows inside the ball of some generated row.
        "density": how many real balls hold a generated row, on average, over k; about 1
        for two draws from one distribution, and not bounded by it.
        "coverage": fraction of real rows whose ball holds a generated row.

    Raises:
        InputError: A row has fewer than five rows of other patients to be compared
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
    return {
        "precision": float((balls_of_generated > 0).mean()),
        "recall": float(is_recalled.mean()),
        "density": float(balls_of_generated.mean() / NUM_NEIGHBOURS),
        "coverage": float(is_covered.mean()),
    }


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
        raise InputError(
            f"image metrics compare each patch with {NUM_NEIGHBOURS} patches of other "
            f"patients, and a half of the training patients has {len(features)} "
            f"patches of {len(np.unique(patients))} patients: raise "
            "`evaluation.patches_per_class`, or prepare the cohort with more patients "
            "or a lower `patches.stride`."
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
