"""One way to compare samples with patients, and what it finds."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.copies import ExcessRate, copy_rate_bound, excess_rate
from gastritis_gan.privacy.exposure import Exposure, find_exposed, patients_needed

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
