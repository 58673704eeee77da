"""Distances between two sets of features: Fréchet's and a kernel's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.rng import stream

_SUBSET_SIZE = 1000
_NUM_SUBSETS = 100


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

    Raises:
        ValueError: A set has fewer than two rows, or their dimensions differ.

    Reference: [Heusel et al., 2017](https://arxiv.org/abs/1706.08500), Eq. 6.
    """
    _check(first, second)
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


def kernel_distance(
    first: NDArray[Any], second: NDArray[Any], *, seed: int
) -> tuple[float, float]:
    """Returns the squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3.

    Unbiased, so it can be slightly negative and its expectation does not depend on the
    number of rows. It is averaged over 100 random subsets of 1,000 rows of each set (of
    all rows, once, where the smaller set has no more).

    Args:
        first: Features of shape `(n, dim)`, n at least 2.
        second: Features of shape `(m, dim)`, m at least 2.
        seed: Of the subsets.

    Returns:
        The mean over the subsets and its standard deviation (0 for one subset).

    Raises:
        ValueError: A set has fewer than two rows, or their dimensions differ.

    Reference: [Binkowski et al., 2018](https://arxiv.org/abs/1801.01401), section 4.
    """
    _check(first, second)
    if min(len(first), len(second)) <= _SUBSET_SIZE:
        return _squared_discrepancy(first, second), 0.0
    generator = stream(seed, "evaluation.kernel_distance")
    values = [
        _squared_discrepancy(
            *(
                features[generator.choice(len(features), _SUBSET_SIZE, replace=False)]
                for features in (first, second)
            )
        )
        for _ in range(_NUM_SUBSETS)
    ]
    return float(np.mean(values)), float(np.std(values))


def _squared_discrepancy(first: NDArray[Any], second: NDArray[Any]) -> float:
    first, second = first.astype(np.float64), second.astype(np.float64)
    return (
        _mean_off_diagonal(_kernel(first, first))
        + _mean_off_diagonal(_kernel(second, second))
        - 2 * float(_kernel(first, second).mean())
    )


def _kernel(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    base = first @ second.T / first.shape[1] + 1
    return np.asarray(base * base * base)  # a power is ten times as slow


def _mean_off_diagonal(kernel: NDArray[np.float64]) -> float:
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _check(first: NDArray[Any], second: NDArray[Any]) -> None:
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ValueError(
            "`first` and `second` must have at least two rows and equally many "
            f"columns. Received: {first.shape} and {second.shape}"
        )
