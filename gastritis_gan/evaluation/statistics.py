"""How sure a figure is: 95 % intervals for rates and for the harmonic mean."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.metrics import harmonic_mean

CONFIDENCE = 0.95
_NUM_RESAMPLES = 2000


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Returns Wilson's 95 % score interval of a rate.

    It takes the trials for independent: with several images of one patient it is too
    narrow.

    Args:
        successes: Number from 0 to `trials`.
        trials: Number, at least 1.

    Reference: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    """
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    rate = successes / trials
    scale = 1 + z**2 / trials
    center = (rate + z**2 / (2 * trials)) / scale
    variance = rate * (1 - rate) / trials + z**2 / (4 * trials**2)
    half_width = z * math.sqrt(variance) / scale
    # At 0 and at `trials` the bound is exact; rounding must not push it out of [0, 1].
    low = 0.0 if successes == 0 else center - half_width
    high = 1.0 if successes == trials else center + half_width
    return low, high


def harmonic_mean_interval(
    labels: NDArray[np.bool_],
    predictions: NDArray[np.bool_],
    patients: NDArray[Any],
    *,
    seed: int,
) -> tuple[float, float]:
    """Returns the 95 % percentile bootstrap interval of the harmonic mean (Eq. 10).

    Patients, not images, are resampled, within each class: images of one patient are
    alike.

    Args:
        labels: Shape `(images,)`; True is positive. Both classes must occur.
        predictions: Shape `(images,)`.
        patients: Shape `(images,)`: anything that tells patients apart.
        seed: Makes the 2,000 resamples reproducible.
    """
    correct = np.asarray(labels) == np.asarray(predictions)
    patients = np.asarray(patients)
    generator = np.random.Generator(np.random.Philox(key=seed))
    sensitivity, specificity = (
        _resampled_rate(correct[chosen], patients[chosen], generator)
        for chosen in (np.asarray(labels), ~np.asarray(labels))
    )
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(harmonic_mean(sensitivity, specificity), [tail, 1 - tail])
    return float(low), float(high)


def _resampled_rate(
    correct: NDArray[np.bool_], patients: NDArray[Any], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Returns the rate of correct images in each resample of the patients."""
    names, patient_of_image = np.unique(patients, return_inverse=True)
    num_correct = np.bincount(patient_of_image, weights=correct)  # per patient
    num_images = np.bincount(patient_of_image)
    draws = generator.multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=_NUM_RESAMPLES
    )  # [resamples, patients]: how often each patient was drawn
    return np.asarray(draws @ num_correct / (draws @ num_images))
