"""Which patches each classifier is trained on: the paper's rows, and controls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patch_samples import PatchSample, joined
from gastritis_gan.rng import stream
from gastritis_gan.stats import first_seen

PATIENT_FRACTIONS = (0.01, 0.1)  # the row of real data is the whole
NUM_PATIENT_DRAWS = 5  # which patients they are matters
_NUM_PERMUTATIONS = 20
_PERMUTED_PATCHES_PER_CLASS = 500
_SEED_LIMIT = 2**53  # exact in JSON and in every other language's double


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Patches of both classes.

    Attributes:
        name: The row's name, as in the paper's tables.
        positive: The positive patches.
        negative: The negative patches.
        sample_seed: Of the draw of the patches.
        generator_seed: Seed of the generators' training; None where there is none, or
            where they have no common one.
        permutation_seed: Where given, the labels are permuted with it, so that half of
            each class carries either label: a control.
    """

    name: str
    positive: PatchSample
    negative: PatchSample
    sample_seed: int
    generator_seed: int | None = None
    permutation_seed: int | None = None


TARGETS = ("positive", "negative")
REAL_DATA_ROW = "Real data (Ideal)"
ROWS_OF_MODELS = {  # in the paper's order; the first mixes the samples of two models
    "LC-PGGAN + PGGAN": ("lc_pggan", "pggan"),
    "LC-PGGAN": ("lc_pggan",),
    "PGGAN": ("pggan",),
    "DCGAN": ("dcgan",),
}

Place = tuple[str, str, int]
"""Model, target and training seed of a generator."""

Pools = Mapping[Place, PatchSample]
"""The samples of each generator, equally many of each."""


def generated_rows(
    pools: Pools, *, patches_per_class: int, sample_seed: int
) -> list[TrainingSet]:
    """Returns the rows that can be made of the generators at hand.

    As in the paper, a row's `patches_per_class` are drawn without replacement from all
    samples of its generators, for the mixed row from the union. Generators that were
    trained with equal seeds make a chain, and each chain its own row. Where a row has
    one generator for each of its places, they are its chain whatever their seeds.

    Args:
        pools: The samples of each generator.
        patches_per_class: The paper: 5,000 of 10,000.
        sample_seed: Decides the draw.
    """
    rows = []
    for row, models in ROWS_OF_MODELS.items():
        for generator_seed, chain in _chains(models, list(pools)):
            drawn = {}
            for target in TARGETS:
                union = joined(pools[place] for place in chain if place[1] == target)
                drawn[target] = union.take(
                    choose(
                        len(union),
                        patches_per_class,
                        seed=sample_seed,
                        purpose=f"evaluation.row.{row}.{target}",
                    )
                )
            rows.append(
                TrainingSet(
                    name=row,
                    positive=drawn["positive"],
                    negative=drawn["negative"],
                    sample_seed=sample_seed,
                    generator_seed=generator_seed,
                )
            )
    return rows


def draw_real_patches(
    pool: NDArray[np.int64], patches_per_class: int, *, sample_seed: int, target: str
) -> NDArray[np.int64]:
    """Draws training patches without replacement; a smaller pool is taken whole.

    Args:
        pool: Shape `(n,)`, rows of the patch table.
        patches_per_class: How many to draw at most.
        sample_seed: Decides the draw.
        target: "positive" or "negative".
    """
    chosen = choose(
        len(pool),
        min(patches_per_class, len(pool)),
        seed=sample_seed,
        purpose=f"evaluation.real.{target}",
    )
    return pool[chosen]


def _chains(
    models: Sequence[str], places: Sequence[Place]
) -> Iterator[tuple[int | None, list[Place]]]:
    """Yields complete sets of generators for a row: common seed, and their places."""
    candidates = [
        [place for place in places if place[:2] == (model, target)]
        for target in TARGETS
        for model in models
    ]
    common = set.intersection(*({place[2] for place in found} for found in candidates))
    for seed in sorted(common):
        chain = [place for found in candidates for place in found if place[2] == seed]
        yield seed, chain
    if not common and all(len(found) == 1 for found in candidates):
        yield None, [found[0] for found in candidates]


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
        for number in (len(real.positive), len(real.negative))
    )
    return [
        TrainingSet(
            name="Permuted labels",
            positive=_some(real.positive, positive, number),
            negative=_some(real.negative, negative, number),
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
    filled = {}
    for target in TARGETS:
        real = _some(getattr(few, target), patches_per_class // 2, few.sample_seed)
        rest = patches_per_class - len(real)
        others = _some(getattr(generated, target), rest, few.sample_seed)
        filled[target] = joined([real, others])
    return TrainingSet(
        name=f"{few.name} and {generated.name}",
        positive=filled["positive"],
        negative=filled["negative"],
        sample_seed=few.sample_seed,
        generator_seed=generated.generator_seed,
    )


def sample_seeds(
    model: str, target: str, *, training_seed: int, count: int, seed: int
) -> NDArray[np.int64]:
    """Returns the `(count,)` seeds of a generator's samples, in [0, 2^53).

    Two generators get different seeds: an LC-PGGAN may have branched from the PGGAN,
    and equal latents would then give nearly equal images in the mixed row.
    """
    purpose = f"evaluation.samples.{model}.{target}"
    return stream(seed, purpose, training_seed).integers(_SEED_LIMIT, size=count)


def choose(
    total: int, count: int, *, seed: int, purpose: str, index: int = 0
) -> NDArray[np.int64]:
    """Returns `count` of `range(total)`, without replacement, in ascending order.

    The other arguments are those of `rng.stream`.
    """
    generator = stream(seed, purpose, index)
    return np.sort(generator.choice(total, count, replace=False))


def _some(sample: PatchSample, count: int, seed: int) -> PatchSample:
    if len(sample) <= count:
        return sample
    return sample.take(
        choose(len(sample), count, seed=seed, purpose="evaluation.control")
    )
