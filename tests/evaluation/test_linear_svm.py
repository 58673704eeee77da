from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.svm import LinearSVC

from gastritis_gan.evaluation import linear_svm
from gastritis_gan.evaluation.linear_svm import fit_linear_svm


def draw(num_rows, num_features, *, noise, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(num_rows, num_features)).astype(np.float32)
    return features, features[:, 0] + noise * rng.normal(size=num_rows) > 0.2


@pytest.mark.parametrize("c", [1e-4, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize("shape", [(300, 12), (80, 200)])  # the second is separable
def test_weights_and_bias_are_those_of_scikit_learn(shape, c):
    features, labels = draw(*shape, noise=1.0)
    weights, bias, converged = fit_linear_svm(features, labels, c=c)
    svm = LinearSVC(C=c, tol=1e-8, max_iter=1_000_000, random_state=0)
    svm.fit(features, labels)
    assert converged
    scale = np.abs(svm.coef_).max()
    np.testing.assert_allclose(weights, svm.coef_[0], atol=2e-3 * scale)
    assert bias == pytest.approx(svm.intercept_[0], abs=2e-3 * scale)


def test_two_points_have_a_closed_form():
    # By symmetry w = (v, 0) and b = 0; v^2 / 2 + 2 c (1 - 2 v)^2 is least where
    # v = 8 c / (1 + 16 c).
    features = np.array([[2, 0], [-2, 0]], np.float32)
    for c in (0.01, 0.5, 30.0):
        weights, bias, _ = fit_linear_svm(features, np.array([True, False]), c=c)
        assert weights[0] == pytest.approx(8 * c / (1 + 16 * c), rel=1e-5)
        assert weights[1] == bias == 0


def test_badly_scaled_features_reach_the_minimum():
    features, labels = draw(200, 4, noise=1.0)
    features *= np.array([1, 30, 1000, 0.01], np.float32)
    weights, bias, converged = fit_linear_svm(features, labels, c=1.0)
    assert converged

    def objective(solution):
        values = features.astype(float) @ solution[:-1] + solution[-1]
        slack = np.maximum(0, 1 - np.where(labels, 1, -1) * values)
        return solution @ solution / 2 + slack @ slack

    lowest = minimize(objective, np.zeros(5), method="BFGS", options={"gtol": 1e-6}).fun
    assert objective(np.append(weights, bias)) <= lowest * (1 + 1e-4)


def test_features_that_say_nothing_give_the_larger_class():
    labels = np.arange(50) < 20
    weights, bias, converged = fit_linear_svm(
        np.zeros((50, 3), np.float32), labels, c=1.0
    )
    # b^2 / 2 + 20 (1 - b)^2 + 30 (1 + b)^2 is least at -20 / 101.
    assert (weights == 0).all()
    assert bias == pytest.approx(-20 / 101, rel=1e-5)
    assert converged


def test_too_few_steps_are_not_called_converged(monkeypatch):
    monkeypatch.setattr(linear_svm, "_MAX_STEPS", 1)
    features, labels = draw(300, 12, noise=1.0)
    assert not fit_linear_svm(features, labels, c=1.0)[2]


def test_a_direction_without_descent_ends_the_search(monkeypatch):
    # As when rounding has eaten the gradient: the direction points uphill.
    monkeypatch.setattr(
        linear_svm, "cg", lambda matrix, target, **options: (-target, 0)
    )
    features, labels = draw(300, 12, noise=1.0)
    monkeypatch.setattr(linear_svm, "_TOLERANCE", -np.inf)
    weights, _, converged = fit_linear_svm(features, labels, c=1.0)
    assert not converged
    assert (weights == 0).all()


def test_the_features_stay_as_they_are():
    features, labels = draw(40, 5, noise=1.0)
    before = features.copy()
    fit_linear_svm(features, labels, c=1.0)
    np.testing.assert_array_equal(features, before)
