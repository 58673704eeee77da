"""The linear support vector machine that labels patches."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

_TOLERANCE = 1e-5
_MAX_STEPS = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """One linear classifier, or several side by side.

    Attributes:
        weights: Shape `(dim, k)`, a column for each classifier.
        biases: Shape `(k,)`.
        converged: Whether the optimizers reached their tolerance.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    converged: bool

    @classmethod
    def fit(
        cls, features: NDArray[np.float32], labels: NDArray[np.bool_], *, c: float
    ) -> Classifier:
        """Trains one classifier: standardised features, squared hinge loss.

        Args:
            features: Shape `(n, dim)`; they are standardised in place.
            labels: Shape `(n,)`; True is positive. Both classes must occur.
            c: Penalty of the slack.
        """
        # The primal problem needs no random order and converges at any C.
        svm = LinearSVC(C=c, dual=False, tol=_TOLERANCE, max_iter=_MAX_STEPS)
        scaler = StandardScaler(copy=False)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # `converged` is in the table
            make_pipeline(scaler, svm).fit(features, labels)
        weights = svm.coef_[0] / scaler.scale_  # so that new features stay as they are
        return cls(
            weights=weights[:, None],
            biases=svm.intercept_ - weights @ scaler.mean_,
            converged=bool(svm.n_iter_ < _MAX_STEPS),
        )

    @classmethod
    def joined(cls, classifiers: Sequence[Classifier]) -> Classifier:
        """Returns one with a column for each of them: one product per patch."""
        return cls(
            weights=np.concatenate([one.weights for one in classifiers], axis=1),
            biases=np.concatenate([one.biases for one in classifiers]),
            converged=all(one.converged for one in classifiers),
        )

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the `(n, k)` scores of `(n, dim)` features that are not standardised.

        They are positive for the positive class, in units of the margin.
        """
        return features.astype(np.float64) @ self.weights + self.biases
