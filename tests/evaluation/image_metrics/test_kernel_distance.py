from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from gastritis_gan.evaluation.image_metrics.distances import kernel_distance


def test_small_sets_are_compared_whole_with_scikit_learns_kernel():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(30, 7)), rng.normal(size=(40, 7)) + 0.5

    def kernel(one, other):
        return polynomial_kernel(one, other, degree=3, gamma=1 / 7, coef0=1)

    total = 0.0
    for rows in (first, second):
        values = kernel(rows, rows)
        count = len(rows)
        pairs = [values[i, j] for i in range(count) for j in range(count) if i != j]
        total += sum(pairs) / (count * (count - 1))
    expected = total - 2 * kernel(first, second).mean()
    value, deviation = kernel_distance(first, second, seed=0)
    assert value == pytest.approx(expected)
    assert deviation == 0


def test_subsets_of_large_sets_are_unbiased():
    # One feature, kernel (xy + 1)^3: the squared MMD is
    # 3 (dE x)^2 + 3 (dE x^2)^2 + (dE x^3)^2. For N(0, 1) and N(0.5, 1): the moments
    # 0, 1, 0 and 0.5, 1.25, 1.625.
    expected = 3 * 0.5**2 + 3 * 0.25**2 + 1.625**2
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(20_000, 1)), rng.normal(0.5, 1, size=(20_000, 1))
    value, deviation = kernel_distance(first, second, seed=0)
    assert value == pytest.approx(expected, rel=0.1)
    assert 0.1 < deviation < 1
    assert kernel_distance(first, second, seed=0)[0] == value


def test_equal_distributions_are_at_0_within_the_deviation():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 3000, 5))
    value, deviation = kernel_distance(first, second, seed=1)
    assert abs(value) < 2 * deviation


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="two rows"):
        kernel_distance(np.zeros((1, 3)), np.zeros((4, 3)), seed=0)
