"""Which training patients stand out beyond what held-out patients show."""

from __future__ import annotations

import dataclasses
import functools
import math

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


_NUM_SIMULATIONS = 20_000
# Of the generalised extreme value distribution: maxima of scores with a somewhat longer
# than exponential tail. At 0 (Gumbel) innocent samples failed more often than stated;
# docs/studies/privacy.md has the rates at this value.
_SHAPE = 0.1
_MAX_PATIENTS = 100  # per group, when asking how many are needed
MIN_HELD_OUT = 3  # fewer have no deviation worth the name


@dataclasses.dataclass(frozen=True)
class Exposure:
    """How close the closest sample comes to each patient.

    Attributes:
        exposure: Shape `(patients,)`, how far the patient stands out at most.
        threshold: Beyond it a training patient counts as exposed; infinite where too
            few held-out patients say what is usual.
        exposed: Shape `(patients,)`, True for exposed training patients.
    """

    exposure: NDArray[np.float64]
    threshold: float
    exposed: NDArray[np.bool_]


def find_exposed(
    scores: NDArray[np.float64], is_training: NDArray[np.bool_], *, alpha: float
) -> Exposure:
    """Compares every training patient with the yardstick of the held-out patients.

    A patient's exposure is the highest of its scores over all samples, so where nobody
    was copied exposures follow a distribution of maxima. The threshold is what the
    highest exposure of as many training patients passes with probability `alpha`, given
    the held-out patients' mean and deviation.

    Args:
        scores: From `stand_out`, of shape `(samples, patients)`.
        is_training: Shape `(patients,)`.
        alpha: Probability of a false alarm over all training patients together.
    """
    exposure = scores.max(axis=0)
    held_out = exposure[~is_training]
    threshold = math.inf
    if len(held_out) >= MIN_HELD_OUT:
        factor = yardstick_factor(len(held_out), int(is_training.sum()), alpha)
        threshold = float(held_out.mean() + factor * held_out.std(ddof=1))
    return Exposure(exposure, threshold, is_training & (exposure > threshold))


def patients_needed(
    held_out: NDArray[np.float64], copy_score: float, *, alpha: float
) -> int | None:
    """Returns how many patients of each group let a copy stand out.

    Args:
        held_out: Exposures of held-out patients, at least two.
        copy_score: Score that a copy reaches.
        alpha: As in `find_exposed`.

    Returns:
        The smallest number (to 10 %) whose threshold lies below `copy_score`; None
        where no number helps: the yardstick is shortest at some 20 patients of each
        group, and with more it grows again, as more patients can be exposed by chance.
    """
    number = MIN_HELD_OUT
    while number <= _MAX_PATIENTS:
        factor = yardstick_factor(number, number, alpha)
        if held_out.mean() + factor * held_out.std(ddof=1) < copy_score:
            return number
        number += max(1, number // 10)
    return None


@functools.lru_cache(maxsize=256)
def yardstick_factor(num_held_out: int, num_training: int, alpha: float) -> float:
    """Returns how many deviations above the held-out mean the threshold lies.

    By simulation (fixed seed): mean and deviation are estimated from few patients, and
    the ratio does not depend on the location and scale of the distribution.
    """
    generator = np.random.Generator(np.random.Philox(key=num_held_out))
    held_out = _maxima(generator.exponential(size=(_NUM_SIMULATIONS, num_held_out)))
    # The smallest of n exponential variables is one, divided by n.
    highest = _maxima(generator.exponential(size=_NUM_SIMULATIONS) / num_training)
    ratio = (highest - held_out.mean(axis=1)) / held_out.std(axis=1, ddof=1)
    return float(np.quantile(ratio, 1 - alpha))


def _maxima(exponential: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turns exponential variables into generalised extreme value ones; it decreases."""
    return np.asarray((exponential**-_SHAPE - 1) / _SHAPE)
