from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from gastritis_gan.evaluation import classifier as module
from gastritis_gan.evaluation.classifier import Classifier


def draw(num_rows, num_features, seed=0):
    """Returns overlapping classes, features of several units, one of them flat."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_rows) < num_rows // 3
    features = rng.normal(size=(num_rows, num_features)) + labels[:, None]
    features *= np.resize([1, 0.01, 300], num_features)
    features[:, 1] = 3
    return features.astype(np.float32), labels


@pytest.mark.parametrize("c", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("shape", [(120, 6), (60, 100)])  # the second is separable
def test_scores_minimise_the_squared_hinge_loss_of_standardised_features(shape, c):
    features, labels = draw(*shape)
    new, _ = draw(*shape, seed=1)
    mean, std = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float)
    std[1] = 1
    x = np.c_[(features - mean) / std, np.ones(len(features))]  # bias penalised, too
    y = np.where(labels, 1, -1)

    def objective(w):
        slack = np.maximum(0, 1 - y * (x @ w))
        return w @ w / 2 + c * slack @ slack, w - 2 * c * x.T @ (y * slack)

    start = np.zeros(x.shape[1])
    w = minimize(objective, start, jac=True, options={"gtol": 1e-9}).x
    expected = (new - mean) / std @ w[:-1] + w[-1]
    found = Classifier.fit(features.copy(), labels, c=c)
    assert found.converged
    np.testing.assert_allclose(
        found.scores(new)[:, 0], expected, atol=2e-3 * np.abs(expected).max()
    )


def test_features_that_say_nothing_give_the_larger_class():
    labels = np.arange(50) < 20
    features = np.zeros((50, 3), np.float32)
    found = Classifier.fit(features.copy(), labels, c=1.0)
    # b^2 / 2 + 20 (1 - b)^2 + 30 (1 + b)^2 is least at -20 / 101.
    np.testing.assert_allclose(found.scores(features), -20 / 101, rtol=1e-3)


def test_too_few_steps_are_not_called_converged(monkeypatch):
    monkeypatch.setattr(module, "_MAX_STEPS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the table says it, nothing else does
        found = Classifier.fit(*draw(300, 12), c=1.0)
    assert not found.converged


def test_joined_classifiers_give_a_column_of_scores_each():
    classifiers = [Classifier.fit(*draw(90, 6, seed), c=0.3) for seed in (0, 1, 2)]
    new, _ = draw(90, 6, seed=3)
    joined = Classifier.joined(classifiers).scores(new)
    assert joined.shape == (90, 3)
    for column, one in zip(joined.T, classifiers, strict=True):
        np.testing.assert_allclose(column, one.scores(new)[:, 0], rtol=1e-9)
