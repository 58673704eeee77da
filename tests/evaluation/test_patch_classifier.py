from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from gastritis_gan.evaluation.linear_classifier import LinearClassifier
from gastritis_gan.evaluation.patch_classifier import fit_classifier
from gastritis_gan.evaluation.svm_settings import SvmSettings

SCALERS = {"standard": [StandardScaler()], "unit_length": [Normalizer()], "none": []}


def overlapping(seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(120) < 60
    features = rng.normal(size=(120, 6)) * [1, 2, 3, 1, 1, 1] + labels[:, None]
    return features.astype(np.float32), labels


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("scaling", ["standard", "unit_length", "none"])
def test_scores_are_those_of_scikit_learns_pipeline(kernel, scaling):
    features, labels = overlapping(0)
    new, _ = overlapping(1)
    svm = (
        LinearSVC(C=0.3, random_state=0, max_iter=10_000)
        if kernel == "linear"
        else SVC(C=0.3, gamma="scale")
    )
    pipeline = make_pipeline(*SCALERS[scaling], svm).fit(features, labels)
    settings = SvmSettings(kernel=kernel, c=0.3, scaling=scaling)
    classifier = fit_classifier(features.copy(), labels, settings)
    np.testing.assert_allclose(
        classifier.scores(new)[:, 0], pipeline.decision_function(new), atol=2e-3
    )


def test_a_flat_feature_is_harmless():
    features, labels = overlapping(0)
    features[:, 2] = 3
    for kernel in ("linear", "rbf"):
        settings = SvmSettings(kernel=kernel, c=1.0, scaling="standard")
        classifier = fit_classifier(features.copy(), labels, settings)
        assert np.isfinite(classifier.scores(features)).all()


@pytest.mark.parametrize("scaling", ["standard", "unit_length", "none"])
def test_joined_classifiers_give_a_column_of_scores_each(scaling):
    settings = SvmSettings(kernel="linear", c=0.3, scaling=scaling)
    classifiers = [fit_classifier(*overlapping(seed), settings) for seed in (0, 1, 2)]
    new, _ = overlapping(3)
    joined = LinearClassifier.joined(classifiers).scores(new)
    assert joined.shape == (120, 3)
    for column, classifier in zip(joined.T, classifiers, strict=True):
        np.testing.assert_allclose(column, classifier.scores(new)[:, 0], rtol=1e-9)
