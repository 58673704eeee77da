"""The rows of the paper's tables: which patches each classifier is trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patches import PatchBlock, PatchSample, whole
from gastritis_gan.rng import stream

_SEED_LIMIT = 2**53  # exact in JSON and in every other language's double


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Patches of both classes.

    Attributes:
        name: The row's name, as in the paper's tables.
        positive: Samples of positive patches.
        negative: Samples of negative patches.
        sample_seed: Of the draw of the patches.
        generator_seed: Seed of the generators' training; None where there is none, or
            where they have no common one.
        permutation_seed: Where given, the labels are permuted with it, so that half of
            each class carries either label: a control.
    """

    name: str
    positive: tuple[PatchSample, ...]
    negative: tuple[PatchSample, ...]
    sample_seed: int
    generator_seed: int | None = None
    permutation_seed: int | None = None

    @property
    def num_positive(self) -> int:
        """Number of positive patches."""
        return sum(map(len, self.positive))

    @property
    def num_negative(self) -> int:
        """Number of negative patches."""
        return sum(map(len, self.negative))


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

Pools = Mapping[Place, tuple[PatchBlock, ...]]
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
            positive, negative = (
                _drawn(
                    [pools[place] for place in chain if place[1] == target],
                    patches_per_class,
                    sample_seed=sample_seed,
                    purpose=f"evaluation.row.{row}.{target}",
                )
                for target in TARGETS
            )
            rows.append(
                TrainingSet(
                    name=row,
                    positive=(positive,),
                    negative=(negative,),
                    sample_seed=sample_seed,
                    generator_seed=generator_seed,
                )
            )
    return rows


def real_row(
    pools: Mapping[str, tuple[PatchBlock, ...]], *, sample_seed: int
) -> TrainingSet:
    """Returns the row of the training patients' own patches.

    Args:
        pools: By target, the patches of that class.
        sample_seed: Of the draw of the patches.
    """
    return TrainingSet(
        name=REAL_DATA_ROW,
        positive=(whole(pools["positive"]),),
        negative=(whole(pools["negative"]),),
        sample_seed=sample_seed,
    )


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


def _drawn(
    pools: Sequence[tuple[PatchBlock, ...]],
    count: int,
    *,
    sample_seed: int,
    purpose: str,
) -> PatchSample:
    union = sum(pools, ())
    total = sum(block.num_patches for block in union)
    chosen = choose(total, count, seed=sample_seed, purpose=purpose)
    return PatchSample(blocks=union, chosen=chosen)


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
