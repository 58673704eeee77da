"""How many samples are copies, in one way to compare samples with patients."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gastritis_gan.privacy.exposure import Exposure, find_exposed, patients_needed

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


_CLOSE_QUANTILE = 0.99  # of the samples' best held-out matches
_MIN_POWER_TO_DECIDE = 0.1  # share of the planted copies


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpaceFindings:
    """Memorisation in one space.

    Attributes:
        name: "pixels" or an extractor's name.
        scores: From `stand_out`, of shape `(samples, patients)`.
        is_training: Shape `(patients,)`.
        exposure: Per patient.
        is_noticed: Shape `(planted,)`: which planted copies pass the threshold.
        copies: Samples beyond the threshold, minus the control's.
        close: The same for a lower threshold, which 1 % of the samples' best held-out
            matches pass: near copies and mere likeness.
        num_copies: Samples that match any training patient beyond the threshold.
        num_held_out_exposed: Held-out patients beyond what training patients show, were
            the groups exchanged: samples of them spoil the yardstick.
        patients_needed: Per group, until the threshold lets `min_power` of the planted
            copies through; None where no number would.
    """

    name: str
    scores: NDArray[np.float64]
    is_training: NDArray[np.bool_]
    exposure: Exposure
    is_noticed: NDArray[np.bool_]
    copies: ExcessRate
    close: ExcessRate
    num_copies: int
    num_held_out_exposed: int
    patients_needed: int | None

    @property
    def decides(self) -> bool:
        """Whether the space notices copies at all, so that exposure in it means one.

        In a space that overlooks nearly all planted copies, a patient who stands out is
        an unusual patient.
        """
        return bool(self.is_noticed.mean() >= _MIN_POWER_TO_DECIDE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """How far samples and planted copies stand out (see `stand_out`).

    Attributes:
        name: Of the space.
        samples: Shape `(samples, patients)`.
        planted: Shape `(planted, patients)`.
        source: Shape `(planted,)`, the patient each copy comes from.
    """

    name: str
    samples: NDArray[np.float64]
    planted: NDArray[np.float64]
    source: NDArray[np.int64]


def examine_space(
    table: ScoreTable,
    is_training: NDArray[np.bool_],
    *,
    alpha: float,
    min_power: float,
    seed: int,
) -> SpaceFindings:
    """Looks for training patients that samples come too close to.

    Args:
        table: The scores.
        is_training: Shape `(patients,)`; both groups must occur.
        alpha: Probability of a false alarm in this space.
        min_power: Share of the planted copies that the audit has to notice.
        seed: Of the bootstraps.
    """
    exposure = find_exposed(table.samples, is_training, alpha=alpha)
    of_source = table.planted[np.arange(len(table.source)), table.source]
    best_held_out = table.samples[:, ~is_training].max(axis=1)
    beyond = (table.samples[:, is_training] > exposure.threshold).any(axis=1)
    held_out = exposure.exposure[~is_training]
    mirrored = find_exposed(table.samples, ~is_training, alpha=alpha)
    return SpaceFindings(
        name=table.name,
        scores=table.samples,
        is_training=is_training,
        exposure=exposure,
        is_noticed=of_source > exposure.threshold,
        copies=excess_rate(
            table.samples, is_training, threshold=exposure.threshold, seed=seed
        ),
        close=excess_rate(
            table.samples,
            is_training,
            threshold=float(np.quantile(best_held_out, _CLOSE_QUANTILE)),
            seed=seed,
        ),
        num_copies=int(beyond.sum()),
        num_held_out_exposed=int(mirrored.exposed.sum()),
        patients_needed=patients_needed(
            held_out, float(np.quantile(of_source, 1 - min_power)), alpha=alpha
        )
        if len(held_out) > 1
        else None,
    )


def joint_power(spaces: list[SpaceFindings]) -> float:
    """Returns the share of planted copies that at least one space notices."""
    return float(np.any([space.is_noticed for space in spaces], axis=0).mean())


def joint_copy_rate_bound(spaces: list[SpaceFindings]) -> float:
    """Returns the rate of copies that is not excluded, the spaces taken together."""
    num_copies = max((s.num_copies for s in spaces if s.decides), default=0)
    return copy_rate_bound(num_copies, len(spaces[0].scores), joint_power(spaces))
