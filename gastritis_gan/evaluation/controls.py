"""Controls of the table: rows that should fail, and rows of few patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patches import PatchSample
from gastritis_gan.evaluation.rows import TARGETS, TrainingSet, choose
from gastritis_gan.stats import first_seen

PATIENT_FRACTIONS = (0.01, 0.1)  # the row of real data is the whole
NUM_PATIENT_DRAWS = 5  # which patients they are matters
_NUM_PERMUTATIONS = 20
_PERMUTED_PATCHES_PER_CLASS = 500


def permuted_rows(real: TrainingSet) -> list[TrainingSet]:
    """Returns rows whose labels are permuted: on average they know nothing.

    Half of each class carries either label. One such row may still lean to either side,
    and all test images then lean with it: only the mean over the 20 counts.

    Args:
        real: The row of real data; up to 500 of its patches per class are used.
    """
    # An odd number could not be halved, and one patch too many is a class signal.
    positive, negative = (
        min(_PERMUTED_PATCHES_PER_CLASS, number) // 2 * 2
        for number in (real.num_positive, real.num_negative)
    )
    return [
        TrainingSet(
            name="Permuted labels",
            positive=(_some(real.positive[0], positive, number),),
            negative=(_some(real.negative[0], negative, number),),
            sample_seed=real.sample_seed,
            permutation_seed=number,
        )
        for number in range(_NUM_PERMUTATIONS)
    ]


def numbers_of_patients(num_patients: Mapping[str, int]) -> list[dict[str, int]]:
    """Returns how many patients of each class 1 % and 10 % of them are.

    At least one; a fraction that is not fewer than the next larger one is left out.

    Args:
        num_patients: By target, the number of training patients.
    """
    numbers: list[dict[str, int]] = []
    larger = dict(num_patients)
    for fraction in sorted(PATIENT_FRACTIONS, reverse=True):
        few = {t: max(1, round(fraction * n)) for t, n in num_patients.items()}
        if any(few[target] < larger[target] for target in TARGETS):
            numbers.insert(0, few)
            larger = few
    return numbers


def draw_patients(
    patients: NDArray[Any], count: int, *, seed: int, target: str, draw: int
) -> NDArray[np.bool_]:
    """Draws patients and returns which patches are theirs.

    Args:
        patients: Shape `(n,)`: whose each patch is.
        count: How many patients to draw.
        seed: Of the evaluation.
        target: "positive" or "negative".
        draw: Number of the draw, from 0.

    Returns:
        Shape `(n,)`.
    """
    names, _ = first_seen(patients)
    purpose = f"evaluation.patients.{target}"
    chosen = choose(len(names), count, seed=seed, purpose=purpose, index=draw)
    return np.isin(patients, names[chosen])


def mixed_row(
    few: TrainingSet, generated: TrainingSet, *, patches_per_class: int
) -> TrainingSet:
    """Returns a row of few patients' patches, filled up with generated ones.

    Half of it at most are real, so that it has as many patches as any other row.

    Args:
        few: The few patients' row.
        generated: The row of generated patches.
        patches_per_class: How many patches the row has.
    """
    positive, negative = (
        _filled_up(
            getattr(few, target),
            getattr(generated, target),
            patches_per_class,
            few.sample_seed,
        )
        for target in TARGETS
    )
    return TrainingSet(
        name=f"{few.name} and {generated.name}",
        positive=positive,
        negative=negative,
        sample_seed=few.sample_seed,
        generator_seed=generated.generator_seed,
    )


def worth_in_patients(
    curve: Sequence[tuple[int, float]], harmonic_mean: float
) -> dict[str, int | None]:
    """Returns between which numbers of real patients a row's HM lies.

    Args:
        curve: Numbers of patients, ascending, and the HM they give.
        harmonic_mean: Of the row.

    Returns:
        "at_most": the first number that does better than the row, None where none does;
        "more_than": the number before it on the curve, 0 where it is the first.
    """
    more_than = 0
    for num_patients, value in curve:
        if value > harmonic_mean:
            return {"more_than": more_than, "at_most": num_patients}
        more_than = num_patients
    return {"more_than": more_than, "at_most": None}


def _filled_up(
    real: Sequence[PatchSample],
    generated: Sequence[PatchSample],
    count: int,
    seed: int,
) -> tuple[PatchSample, PatchSample]:
    kept = _some(real[0], count // 2, seed)
    return kept, _some(generated[0], count - len(kept), seed)


def _some(sample: PatchSample, count: int, seed: int) -> PatchSample:
    if len(sample) <= count:
        return sample
    return sample.take(
        choose(len(sample), count, seed=seed, purpose="evaluation.control")
    )
