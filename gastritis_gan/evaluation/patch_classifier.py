"""The support vector machine that labels patches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.feature_scaling import FeatureScaling
from gastritis_gan.evaluation.linear_classifier import LinearClassifier
from gastritis_gan.evaluation.rbf_classifier import RBFClassifier
from gastritis_gan.evaluation.svm_settings import SvmSettings

PatchClassifier = LinearClassifier | RBFClassifier


def fit_classifier(
    features: NDArray[np.float32], labels: NDArray[np.bool_], settings: SvmSettings
) -> PatchClassifier:
    """Trains a support vector machine.

    Args:
        features: Shape `(n, dim)`; they are scaled in place.
        labels: Shape `(n,)`; True is positive. Both classes must occur.
        settings: Kernel, C and scaling.
    """
    scaling = FeatureScaling.fit(features, settings.scaling)
    scaling.apply(features)
    kind = LinearClassifier if settings.kernel == "linear" else RBFClassifier
    return kind.fit(features, labels, scaling, c=settings.c)
