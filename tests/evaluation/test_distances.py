from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation import distances
from gastritis_gan.evaluation.distances import (
    frechet_distance,
    gaussian_kernel_distance,
    kernel_distance,
    precision_recall_density_coverage,
)


def exactly(mean, root, count=400):
    """Rows with exactly this mean and the unbiased covariance root' root."""
    rows = np.random.default_rng(0).normal(size=(count, len(mean)))
    rows -= rows.mean(axis=0)
    rows = rows @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows.T))).T)
    return rows @ root + mean


def test_one_dimensional_gaussians_have_the_closed_form():
    # The squared difference of the means plus that of the standard deviations.
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
    assert kernel_distance(first, second, seed=0) == pytest.approx(expected)


def test_gaussian_kernel_distance_by_its_definition():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(9, 3)), rng.normal(0.7, 1, size=(6, 3))

    def kernel(x, y):
        square = sum((a - b) ** 2 for a, b in zip(x, y, strict=True))
        return sum(np.exp(-square / (2 * width * 3)) for width in (0.25, 1, 4))

    expected = -2 * np.mean([kernel(x, y) for x in first for y in second])
    for rows in (first, second):
        expected += np.mean([kernel(x, y) for x, y in itertools.permutations(rows, 2)])
    assert gaussian_kernel_distance(first, second) == pytest.approx(expected)


def test_gaussian_kernel_distance_of_equal_distributions_is_0_on_average():
    rng = np.random.default_rng(0)
    values = [gaussian_kernel_distance(*rng.normal(size=(2, 99, 5))) for _ in range(50)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(50)


def test_subsets_of_large_sets_are_unbiased_and_drawn_by_the_seed(monkeypatch):
    # One feature, kernel (xy + 1)^3: the squared MMD is
    # 3 (dE x)^2 + 3 (dE x^2)^2 + (dE x^3)^2. For N(0, 1) and N(0.5, 1): the moments
    # 0, 1, 0 and 0.5, 1.25, 1.625.
    expected = 3 * 0.5**2 + 3 * 0.25**2 + 1.625**2
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(20_000, 1)), rng.normal(0.5, 1, size=(20_000, 1))
    value = kernel_distance(first, second, seed=0)
    assert value == pytest.approx(expected, rel=0.1)
    monkeypatch.setattr(distances, "_NUM_SUBSETS", 3)
    one, same, other = (kernel_distance(first, second, seed=n) for n in (0, 0, 1))
    assert one == same != other


def test_equal_distributions_are_at_0_on_average():
    rng = np.random.default_rng(0)
    values = [kernel_distance(*rng.normal(size=(2, 300, 5)), seed=0) for _ in range(50)]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(50)


def waves(count, phase, stretch):
    steps = np.outer(np.arange(count) + phase, np.arange(1, 7))
    return np.sin(steps**1.5) * stretch


@pytest.mark.parametrize(
    ("stretch", "expected"),
    [  # printed by the package prdc 0.2: compute_prdc(real, generated, nearest_k=5)
        (1.6, (0.7166666666666667, 1.0, 0.3, 0.5625)),
        (0.45, (1.0, 0.025, 1.83, 0.95)),
    ],
)
def test_without_patients_in_common_it_is_the_package_prdc(stretch, expected):
    result = precision_recall_density_coverage(
        waves(80, 1, 1.0), waves(60, 200, stretch), real_patients=np.arange(80)
    )
    assert tuple(result.values()) == pytest.approx(expected)


def test_neighbours_are_of_other_patients():
    rng = np.random.default_rng(0)
    patients = np.arange(60) // 10
    # Patches of one patient lie close together.
    real = rng.normal(size=(6, 4))[patients] + 0.1 * rng.normal(size=(60, 4))
    generated = rng.normal(size=(40, 4))
    radii = np.array(
        [
            NearestNeighbors(n_neighbors=5)
            .fit(real[patients != patient])
            .kneighbors(row[None])[0][0, -1]
            for row, patient in zip(real, patients, strict=True)
        ]
    )
    inside = np.linalg.norm(real[:, None] - generated, axis=2) < radii[:, None]
    result = precision_recall_density_coverage(real, generated, real_patients=patients)
    assert result["precision"] == pytest.approx(inside.any(axis=0).mean())
    assert result["coverage"] == pytest.approx(inside.any(axis=1).mean())
    assert result["density"] == pytest.approx(inside.sum() / 40 / 5)
    naive = precision_recall_density_coverage(
        real, generated, real_patients=np.arange(60)
    )
    assert naive["precision"] < 0.5 * result["precision"]


def test_patients_of_a_floor_are_excluded_on_both_sides():
    rng = np.random.default_rng(0)
    halves = [
        rng.normal(size=(8, 3))[np.arange(80) // 10] + 0.1 * rng.normal(size=(80, 3))
        for _ in range(2)
    ]
    patients = np.arange(80) // 10
    forward, backward = (
        precision_recall_density_coverage(
            one, other, real_patients=patients, generated_patients=patients
        )
        for one, other in (halves, halves[::-1])
    )
    assert forward["precision"] == backward["recall"]
    assert forward["recall"] == backward["precision"]


def test_rows_without_neighbours_of_other_patients_are_refused():
    features = np.zeros((9, 2))
    with pytest.raises(InputError, match="5 patches of other patients"):
        precision_recall_density_coverage(
            features, features, real_patients=np.array([0] * 5 + [1] * 4)
        )
