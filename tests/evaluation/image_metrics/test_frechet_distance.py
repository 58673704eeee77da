from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from gastritis_gan.evaluation.image_metrics.distances import frechet_distance


def exactly(mean, root, count=400):
    """Rows with exactly this mean and the unbiased covariance root' root."""
    rows = np.random.default_rng(0).normal(size=(count, len(mean)))
    rows -= rows.mean(axis=0)
    rows = rows @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows.T))).T)
    return rows @ root + mean


def test_one_dimensional_gaussians_have_the_closed_form():
    # The squared difference of the means plus that of the deviations.
    first, second = exactly([1.0], [[2.0]]), exactly([4.0], [[0.5]])
    assert frechet_distance(first, second) == pytest.approx(9 + 2.25)


def test_commuting_covariances_have_the_closed_form():
    first = exactly(np.zeros(3), np.diag([1.0, 2.0, 3.0]))
    second = exactly(np.array([1.0, 0, 2]), np.diag([2.0, 2.0, 0.5]))
    assert frechet_distance(first, second) == pytest.approx(5 + 1 + 0 + 6.25)


def test_any_covariances_give_what_a_matrix_root_gives():
    rng = np.random.default_rng(1)
    first = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    second = rng.normal(size=(70, 6)) @ rng.normal(size=(6, 6)) + 1
    one, other = np.cov(first.T), np.cov(second.T)
    root = sqrtm(one @ other)
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(
        one + other - 2 * root.real
    )
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("count", [5, 200])  # fewer rows than features, and more
def test_equal_sets_are_at_distance_0(count):
    features = np.random.default_rng(0).normal(size=(count, 20)).astype(np.float32)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


def test_fewer_rows_than_features():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(6, 30)), rng.normal(size=(9, 30)) * 2
    # In the plane that holds all rows the covariances are the same, and of full rank.
    basis = np.linalg.svd(np.vstack([first, second]), full_matrices=False)[2]
    one, other = np.cov((first @ basis.T).T), np.cov((second @ basis.T).T)
    eigenvalues = np.linalg.eigvals(one @ other)
    expected = np.sum((first.mean(0) - second.mean(0)) ** 2) + np.trace(one + other)
    expected -= 2 * np.sqrt(np.maximum(eigenvalues.real, 0)).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-5)


def test_one_row_has_no_covariance():
    with pytest.raises(ValueError, match="two rows"):
        frechet_distance(np.zeros((1, 3)), np.zeros((4, 3)))
