"""A support vector machine with a Gaussian kernel that labels patches."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from gastritis_gan.evaluation.feature_scaling import FeatureScaling

_KERNEL_CACHE_MB = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class RBFClassifier:
    """A classifier that compares patches with its support vectors.

    Attributes:
        scaling: Of the features.
        vectors: Shape `(m, dim)`, scaled.
        weights: Shape `(m,)`.
        bias: Added to the weighted sum of the kernel's values.
        gamma: Of the kernel exp(-gamma |x - y|^2).
        converged: True; libsvm goes on until it has.
    """

    scaling: FeatureScaling
    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]
    bias: float
    gamma: float
    converged: bool = True

    @classmethod
    def fit(
        cls,
        features: NDArray[np.float32],
        labels: NDArray[np.bool_],
        scaling: FeatureScaling,
        *,
        c: float,
    ) -> RBFClassifier:
        """Trains the classifier.

        Args:
            features: Shape `(n, dim)`, scaled.
            labels: Shape `(n,)`; True is positive.
            scaling: What has scaled them.
            c: Penalty of the slack.
        """
        variance = float(features.var(dtype=np.float64))
        gamma = 1 / (features.shape[1] * (variance if variance > 0 else 1))
        svm = SVC(C=c, gamma=gamma, cache_size=_KERNEL_CACHE_MB).fit(features, labels)
        return cls(
            scaling=scaling,
            vectors=features[svm.support_],
            weights=svm.dual_coef_[0],
            bias=float(svm.intercept_[0]),
            gamma=gamma,
        )

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the `(n, 1)` scores of `(n, dim)` features that are not scaled.

        They are positive for the positive class, in units of the margin.
        """
        features = features.copy()
        self.scaling.apply(features)
        # libsvm's own decision function does not use BLAS and is many times slower.
        kernel = rbf_kernel(features, self.vectors, self.gamma)
        return np.asarray(kernel @ self.weights + self.bias)[:, None]
