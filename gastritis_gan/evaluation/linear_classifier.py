"""Linear support vector machines that label patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.feature_scaling import FeatureScaling, lengths
from gastritis_gan.evaluation.linear_svm import fit_linear_svm


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearClassifier:
    """One linear classifier, or several with one kind of scaling.

    Attributes:
        weights: Shape `(dim, k)`, a column for each classifier; the scaling by mean and
            deviation is in them.
        biases: Shape `(k,)`.
        unit_length: Whether each patch's features are first brought to length 1.
        converged: Whether the optimizers reached their tolerance.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    unit_length: bool
    converged: bool

    @classmethod
    def fit(
        cls,
        features: NDArray[np.float32],
        labels: NDArray[np.bool_],
        scaling: FeatureScaling,
        *,
        c: float,
    ) -> LinearClassifier:
        """Trains one classifier.

        Args:
            features: Shape `(n, dim)`, scaled.
            labels: Shape `(n,)`; True is positive.
            scaling: What has scaled them.
            c: Penalty of the slack.
        """
        weights, bias, converged = fit_linear_svm(features, labels, c=c)
        weights = weights / scaling.deviation
        return cls(
            weights=weights[:, None],
            biases=np.array([bias - weights @ scaling.mean]),
            unit_length=scaling.unit_length,
            converged=converged,
        )

    @classmethod
    def joined(cls, classifiers: Sequence[LinearClassifier]) -> LinearClassifier:
        """Returns one that judges as all of them do, with one product per patch."""
        return cls(
            weights=np.concatenate([one.weights for one in classifiers], axis=1),
            biases=np.concatenate([one.biases for one in classifiers]),
            unit_length=classifiers[0].unit_length,
            converged=all(one.converged for one in classifiers),
        )

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the `(n, k)` scores of `(n, dim)` features that are not scaled.

        They are positive for the positive class, in units of the margin.
        """
        if self.unit_length:
            features = features / lengths(features)
        return features.astype(np.float64) @ self.weights + self.biases
