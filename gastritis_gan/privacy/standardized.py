"""Scores that can be compared between samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TO_DEVIATION = 1.4826  # median absolute deviation to standard deviation, normal data
_MAX_CORRELATION = 1 - 1e-4  # keeps Fisher's transform of a perfect copy finite
_EPSILON = 1e-9


def fisher_transform(correlation: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns artanh of correlations, whose spread depends little on their size."""
    bounded = np.clip(correlation, -_MAX_CORRELATION, _MAX_CORRELATION)
    return np.arctanh(bounded.astype(np.float64))


def standardize_rows(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compares each sample's scores with each other.

    A smooth sample matches everybody well and a busy one nobody: minus the median over
    patients, divided by a robust deviation. All patients are treated alike: were
    training and held-out patients exchangeable, so are their columns.

    Args:
        scores: Shape `(samples, patients)`, higher is more alike.

    Returns:
        Shape `(samples, patients)`.
    """
    centered = scores - np.median(scores, axis=1, keepdims=True)
    return centered / _deviations(centered)


def stand_out(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Says how far each patient's score lies above those of the others, per sample.

    Minus the second highest score among the other patients, in the same deviations: a
    window of film edge matches many patients far better than the median, and none of
    them stands out. Not the highest, so that a patient who is there twice under two
    numbers can still stand out.

    Args:
        scores: Shape `(samples, patients)`, at least three patients.

    Returns:
        Shape `(samples, patients)`.
    """
    third, second = np.sort(scores, axis=1)[:, -3:-1].T[:, :, None]
    others = np.where(scores >= second, third, second)
    centered = scores - np.median(scores, axis=1, keepdims=True)
    return np.asarray((scores - others) / _deviations(centered))


def _deviations(centered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a robust deviation per sample, of shape `(samples, 1)`.

    A few patients give a poor estimate of it, so it is the mean of the sample's own and
    of all samples' median.
    """
    own = _TO_DEVIATION * np.median(np.abs(centered), axis=1, keepdims=True)
    return np.asarray(0.5 * (own + np.median(own)) + _EPSILON)
