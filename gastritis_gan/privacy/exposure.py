"""Which patients stand out in one way to compare samples with patients (a space)."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from gastritis_gan.privacy.copies import (
    PLAIN,
    ExcessRate,
    copy_rate_bound,
    excess_rate,
)
from gastritis_gan.rng import stream

_MAX_CORRELATION = 1 - 1e-4  # keeps Fisher's transform of a perfect copy finite
_EPSILON = 1e-9
_CLOSE_QUANTILE = 0.99  # of the samples' best held-out matches
_CLOSE_SAMPLES = 0.95  # quantile: samples below it have no close match
_NUM_PERMUTATIONS = 10_000  # the given division is one of them
_MIN_POWER_TO_DECIDE = 0.1  # share of the plain planted copies
_NUM_SIMULATIONS = 20_000
# Of the generalised extreme value distribution: maxima of scores with a somewhat longer
# than exponential tail. At 0 (Gumbel) innocent samples failed more often than stated;
# docs/studies/privacy.md has the rates at this value.
_SHAPE = 0.1
_MAX_PATIENTS = 100  # per group, when asking how many are needed
MIN_HELD_OUT = 3  # fewer have no standard deviation worth the name


def fisher_transform(correlation: NDArray[np.float32]) -> NDArray[np.float64]:
    """Returns artanh of correlations, whose spread depends little on their size."""
    bounded = np.clip(correlation, -_MAX_CORRELATION, _MAX_CORRELATION)
    return np.arctanh(bounded.astype(np.float64))


def standardize_rows(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Makes scores comparable between samples: median 0, standard deviation 1.

    A smooth sample matches everybody well and a busy one nobody: minus the median over
    patients, divided by a robust standard deviation. All patients are treated alike:
    were training and held-out patients exchangeable, so are their columns.

    Args:
        scores: Shape `(samples, patients)`, higher is more alike.

    Returns:
        Shape `(samples, patients)`.
    """
    return (scores - np.median(scores, axis=1, keepdims=True)) / _spread(scores)


def stand_out(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns how far each patient's score lies above those of the others, per sample.

    Minus the second highest score among the other patients, in units of a robust
    standard deviation: a window of film edge matches many patients far better than the
    median, and none of them stands out. Not the highest, so that a patient who is there
    twice under two numbers can still stand out.

    Args:
        scores: Shape `(samples, patients)`, at least three patients.

    Returns:
        Shape `(samples, patients)`.
    """
    third, second = np.sort(scores, axis=1)[:, -3:-1].T[:, :, None]
    others = np.where(scores >= second, third, second)
    return np.asarray((scores - others) / _spread(scores))


def stand_out_in_a_part(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns how far each patient stands out in the part where that is furthest.

    Args:
        parts: Scores of each part of the samples, of shape `(samples, patients)`.
    """
    return np.asarray(np.max([stand_out(part) for part in parts], axis=0))


def stand_out_in_all_parts(
    parts: Sequence[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Returns how far each patient stands out in the mean of all parts.

    Where all parts are a little more like one patient than like the others, none of
    them says much, and together they do.

    Args:
        parts: Scores of each part of the samples, of shape `(samples, patients)`.
    """
    return stand_out(np.mean([standardize_rows(part) for part in parts], axis=0))


def _spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns a robust standard deviation per sample, of shape `(samples, 1)`.

    A few patients give a poor estimate of it, so it is the mean of the sample's own and
    of all samples' median.
    """
    own = scipy.stats.median_abs_deviation(scores, axis=1, scale="normal")[:, None]
    return np.asarray(0.5 * (own + np.median(own)) + _EPSILON)


@dataclasses.dataclass(frozen=True)
class Exposure:
    """How close the closest sample comes to each patient.

    Attributes:
        exposure: Shape `(patients,)`, how far the patient stands out at most.
        threshold: Beyond it a training patient counts as exposed; infinite where too
            few held-out patients show what is usual.
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
    the held-out patients' mean and standard deviation.

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
    """Returns how many standard deviations above the held-out mean the threshold lies.

    By simulation (fixed seed): mean and standard deviation are estimated from few
    patients, and the ratio does not depend on the distribution's location and scale.
    """
    generator = stream(0, "privacy.yardstick", num_held_out)
    held_out = _maxima(generator.exponential(size=(_NUM_SIMULATIONS, num_held_out)))
    # The smallest of n exponential variables is one, divided by n.
    highest = _maxima(generator.exponential(size=_NUM_SIMULATIONS) / num_training)
    ratio = (highest - held_out.mean(axis=1)) / held_out.std(axis=1, ddof=1)
    return float(np.quantile(ratio, 1 - alpha))


def _maxima(exponential: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turns exponential variables into generalised extreme value ones; it decreases."""
    return np.asarray((exponential**-_SHAPE - 1) / _SHAPE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpaceFindings:
    """Memorisation in one space.

    Attributes:
        name: "pixels" or an extractor's name.
        scores: From `stand_out`, of shape `(samples, patients)`.
        is_training: Shape `(patients,)`.
        exposure: Per patient.
        is_noticed: Per kind of planted copies, shape `(planted,)`: which of them pass
            the threshold.
        copies: Samples beyond the threshold, minus the control's.
        close: The same for a lower threshold, which 1 % of the samples' best held-out
            matches pass: near copies and mere likeness.
        num_copies: Samples that match any training patient beyond the threshold.
        num_held_out_exposed: Held-out patients beyond what training patients show, were
            the groups exchanged: samples of them spoil the yardstick.
        patients_needed: Per group, until the threshold lets `min_power` of the plain
            copies through; None where no number would.
    """

    name: str
    scores: NDArray[np.float64]
    is_training: NDArray[np.bool_]
    exposure: Exposure
    is_noticed: Mapping[str, NDArray[np.bool_]]
    copies: ExcessRate
    close: ExcessRate
    num_copies: int
    num_held_out_exposed: int
    patients_needed: int | None

    @property
    def decides(self) -> bool:
        """Whether the space notices copies at all, so that exposure in it means one.

        In a space that overlooks nearly all plain copies, a patient who stands out is
        an unusual patient.
        """
        return bool(self.is_noticed[PLAIN.kind].mean() >= _MIN_POWER_TO_DECIDE)


def examine_space(
    name: str,
    scores: NDArray[np.float64],
    copy_scores: Mapping[str, NDArray[np.float64]],
    is_training: NDArray[np.bool_],
    *,
    alpha: float,
    min_power: float,
    seed: int,
) -> SpaceFindings:
    """Looks for training patients that samples come too close to.

    Args:
        name: Of the space.
        scores: Of the samples, from `stand_out`, of shape `(samples, patients)`.
        copy_scores: Per kind of planted copies, shape `(planted,)`: how far each copy
            stands out for the patient it comes from.
        is_training: Shape `(patients,)`; both groups must occur.
        alpha: Probability of a false alarm in this space.
        min_power: Share of the plain copies that the audit has to notice.
        seed: Of the bootstraps.
    """
    exposure = find_exposed(scores, is_training, alpha=alpha)
    best_held_out = scores[:, ~is_training].max(axis=1)
    beyond = (scores[:, is_training] > exposure.threshold).any(axis=1)
    held_out = exposure.exposure[~is_training]
    mirrored = find_exposed(scores, ~is_training, alpha=alpha)
    return SpaceFindings(
        name=name,
        scores=scores,
        is_training=is_training,
        exposure=exposure,
        is_noticed={
            kind: of_copies > exposure.threshold
            for kind, of_copies in copy_scores.items()
        },
        copies=excess_rate(
            scores, is_training, threshold=exposure.threshold, seed=seed
        ),
        close=excess_rate(
            scores,
            is_training,
            threshold=float(np.quantile(best_held_out, _CLOSE_QUANTILE)),
            seed=seed,
        ),
        num_copies=int(beyond.sum()),
        num_held_out_exposed=int(mirrored.exposed.sum()),
        patients_needed=patients_needed(
            held_out,
            float(np.quantile(copy_scores[PLAIN.kind], 1 - min_power)),
            alpha=alpha,
        )
        if len(held_out) > 1
        else None,
    )


def joint_power(spaces: Sequence[SpaceFindings], kind: str = PLAIN.kind) -> float:
    """Returns the share of a kind of planted copies that at least one space notices."""
    return float(np.any([space.is_noticed[kind] for space in spaces], axis=0).mean())


def joint_copy_rate_bound(
    spaces: Sequence[SpaceFindings], kind: str = PLAIN.kind
) -> float:
    """Returns the rate of copies of a kind that is not excluded, by all the spaces."""
    num_copies = max((s.num_copies for s in spaces if s.decides), default=0)
    num_samples = len(spaces[0].scores)
    return copy_rate_bound(num_copies, num_samples, joint_power(spaces, kind))


@dataclasses.dataclass(frozen=True)
class CloseMatches:
    """Whether samples keep close to training patients, copies or not.

    Attributes:
        space: Where the groups differ most.
        training: Share of the close matches there that are training patients.
        p_value: That the groups differ so much by chance in any space.
    """

    space: str
    training: float
    p_value: float


def compare_close_matches(
    spaces: Sequence[SpaceFindings], *, seed: int
) -> CloseMatches:
    """Compares how many close matches the patients of the two groups have.

    A sample's close match is the patient who stands out most, if the sample is among
    the 5 % where somebody stands out most. A patient counts by the logarithm of one
    plus the number of these matches. The difference of the groups' means, in
    units of its standard deviation, is compared with those of other divisions of the
    same patients. The highest of all spaces is compared with the highest: exact for all
    together, whatever the distributions, where chance has made the groups.

    Args:
        spaces: Of the same patients.
        seed: Of the permutations.
    """
    is_training = spaces[0].is_training
    counts = np.stack([_close_matches(space.scores) for space in spaces], axis=1)
    weights = np.log1p(counts)  # [patients, spaces]
    weights -= weights.mean(axis=0)
    generator = stream(seed, "privacy.close_matches")
    groups = np.tile(is_training, (_NUM_PERMUTATIONS, 1))
    groups = generator.permuted(groups, axis=1)
    groups[0] = is_training
    # The difference of the means, but for a factor that all divisions share.
    differences = groups.astype(np.float64) @ weights
    spread = differences.std(axis=0)
    differences = differences / np.where(spread > 0, spread, 1)
    highest = differences.max(axis=1)
    space = int(differences[0].argmax())
    total = counts[:, space].sum()
    return CloseMatches(
        space=spaces[space].name,
        training=float(counts[is_training, space].sum() / max(1, total)),
        p_value=float((highest >= highest[0] - _EPSILON).mean()),
    )


def _close_matches(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns how many close matches each patient has, of `(samples, patients)`."""
    best, highest = scores.argmax(axis=1), scores.max(axis=1)
    close = highest >= np.quantile(highest, _CLOSE_SAMPLES)
    return np.bincount(best[close], minlength=scores.shape[1])
