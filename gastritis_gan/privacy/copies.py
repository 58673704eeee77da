"""How many samples are copies, beyond what the control group shows."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_CONFIDENCE = 0.95
_NUM_RESAMPLES = 2000
_RESAMPLE_STREAM = 1


@dataclasses.dataclass(frozen=True)
class ExcessRate:
    """Samples that match training patients beyond a threshold, minus the control's.

    A sample counts for the patient whom it matches best, and for no other.

    Attributes:
        training: Share of samples that match a training patient beyond the threshold.
        held_out: The same of held-out patients, scaled to as many.
        excess: The difference.
        low: Lower end of its 95 % interval over patients.
        high: Upper end.
    """

    training: float
    held_out: float
    excess: float
    low: float
    high: float


def excess_rate(
    scores: NDArray[np.float64],
    is_training: NDArray[np.bool_],
    *,
    threshold: float,
    seed: int,
) -> ExcessRate:
    """Measures an excess rate, with a percentile bootstrap over patients.

    Args:
        scores: From `stand_out`, of shape `(samples, patients)`.
        is_training: Shape `(patients,)`; both groups must occur.
        threshold: Scores above it count.
        seed: Of the 2,000 resamples.
    """
    best, highest = scores.argmax(axis=1), scores.max(axis=1)
    counts = np.bincount(best[highest > threshold], minlength=len(is_training))
    share = counts / len(scores)  # of samples, per patient
    training, held_out = share[is_training], share[~is_training]
    generator = np.random.Generator(np.random.Philox(key=[seed, _RESAMPLE_STREAM]))
    size = len(training)
    resampled = size * (
        _resampled_means(training, generator) - _resampled_means(held_out, generator)
    )
    tail = (1 - _CONFIDENCE) / 2
    # Resampling may count the one patient of all copies several times.
    scale = max(1.0, size / len(held_out))
    low, high = np.quantile(np.clip(resampled, -scale, 1), [tail, 1 - tail])
    of_training, of_held_out = size * training.mean(), size * held_out.mean()
    return ExcessRate(
        training=float(of_training),
        held_out=float(of_held_out),
        excess=float(of_training - of_held_out),
        low=float(low),
        high=float(high),
    )


def copy_rate_bound(num_copies: int, num_samples: int, power: float) -> float:
    """Returns the highest rate of copies that the samples do not exclude.

    Samples are independent draws from the generator: Clopper and Pearson's one-sided
    95 % bound, divided by the probability that a copy is noticed.

    Reference: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    if num_copies == num_samples or power == 0:
        return 1.0
    bound = stats.beta.ppf(_CONFIDENCE, num_copies + 1, num_samples - num_copies)
    return min(1.0, float(bound) / power)


def samples_needed(max_rate: float, power: float) -> int:
    """Returns how many samples without a copy exclude a rate above `max_rate`."""
    if max_rate * power >= 1:
        return 1
    return int(np.ceil(np.log(1 - _CONFIDENCE) / np.log1p(-max_rate * power)))


def _resampled_means(
    values: NDArray[np.float64], generator: np.random.Generator
) -> NDArray[np.float64]:
    draws = generator.multinomial(
        len(values), np.full(len(values), 1 / len(values)), size=_NUM_RESAMPLES
    )
    return np.asarray(draws @ values / len(values))
