"""The rows of the paper's tables: which patches each classifier is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.training_set import Batches, TrainingSet

TARGETS = ("positive", "negative")
REAL_DATA_ROW = "Real data (Ideal)"
ROWS_OF_MODELS = {  # in the paper's order; the first mixes the samples of two models
    "LC-PGGAN + PGGAN": ("lc_pggan", "pggan"),
    "LC-PGGAN": ("lc_pggan",),
    "PGGAN": ("pggan",),
    "DCGAN": ("dcgan",),
}

Generate = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
ReadPatches = Callable[[NDArray[np.int64]], NDArray[np.float32]]

_BATCH_SIZE = 256  # patches
_SEED_LIMIT = 2**53  # exact in JSON and in every other language's double


def generated_rows(
    generators: Mapping[tuple[str, str], Generate],
    *,
    samples_per_generator: int,
    patches_per_class: int,
    seed: int,
) -> list[TrainingSet]:
    """Returns the rows that can be made of the generators at hand.

    As in the paper, each generator draws `samples_per_generator` patches and a row's
    `patches_per_class` are drawn from them without replacement, for the mixed row from
    the union. Only the patches so drawn are generated.

    Args:
        generators: From (model, target), as in ("lc_pggan", "positive"), to a function
            from seeds `(n,)` to uint8 images `(n, r, r, 1)`.
        samples_per_generator: The paper: 10,000.
        patches_per_class: The paper: 5,000.
        seed: Decides every draw; equal for equal seeds, different between generators.
    """
    rows = []
    for row, models in ROWS_OF_MODELS.items():
        if any(
            (model, target) not in generators for model in models for target in TARGETS
        ):
            continue
        batches = {}
        for target in TARGETS:
            chosen = _choose(
                len(models) * samples_per_generator,
                patches_per_class,
                seed=seed,
                purpose=f"choice {row} {target}",
            )
            sources = [
                (
                    generators[model, target],
                    sample_seeds(model, target, count=samples_per_generator, seed=seed)[
                        chosen[chosen // samples_per_generator == position]
                        % samples_per_generator
                    ],
                )
                for position, model in enumerate(models)
            ]
            batches[target] = _generated_batches(sources)
        rows.append(
            TrainingSet(
                name=row,
                num_positive=patches_per_class,
                num_negative=patches_per_class,
                **batches,
            )
        )
    return rows


def real_row(
    read_patches: ReadPatches,
    pools: Mapping[str, NDArray[np.int64]],
    *,
    patches_per_class: int,
    seed: int,
) -> TrainingSet:
    """Returns the row of the training patients' own patches.

    Args:
        read_patches: Function from indices `(n,)` to patches `(n, r, r, 1)` in [-1, 1].
        pools: Indices of all training patches by target.
        patches_per_class: How many are drawn per class; a smaller pool is taken whole.
        seed: Decides the draw.
    """
    chosen = {
        target: pools[target][
            _choose(
                len(pools[target]),
                min(patches_per_class, len(pools[target])),
                seed=seed,
                purpose=f"choice {REAL_DATA_ROW} {target}",
            )
        ]
        for target in TARGETS
    }
    return TrainingSet(
        name=REAL_DATA_ROW,
        num_positive=len(chosen["positive"]),
        num_negative=len(chosen["negative"]),
        positive=_real_batches(read_patches, chosen["positive"]),
        negative=_real_batches(read_patches, chosen["negative"]),
    )


def sample_seeds(
    model: str, target: str, *, count: int, seed: int
) -> NDArray[np.int64]:
    """Returns the `(count,)` seeds of a generator's samples, in [0, 2^53).

    Two generators get different seeds: an LC-PGGAN may have branched from the PGGAN,
    and equal latents would then give nearly equal images in the mixed row.
    """
    generator = _generator(seed, f"samples {model} {target}")
    return generator.integers(_SEED_LIMIT, size=count)


def _choose(total: int, count: int, *, seed: int, purpose: str) -> NDArray[np.int64]:
    """Returns `count` of `range(total)`, without replacement, in ascending order."""
    return np.sort(_generator(seed, purpose).choice(total, count, replace=False))


def _generator(seed: int, purpose: str) -> np.random.Generator:
    """Returns a stream of its own for each purpose."""
    entropy = np.random.SeedSequence([seed, *purpose.encode()])
    return np.random.Generator(np.random.Philox(entropy))


def _generated_batches(
    sources: Sequence[tuple[Generate, NDArray[np.int64]]],
) -> Batches:
    def batches() -> Iterator[NDArray[np.float32]]:
        for generate, seeds in sources:
            for start in range(0, len(seeds), _BATCH_SIZE):
                images = generate(seeds[start : start + _BATCH_SIZE])
                yield images.astype(np.float32) / np.float32(127.5) - np.float32(1)

    return batches


def _real_batches(read_patches: ReadPatches, indices: NDArray[np.int64]) -> Batches:
    def batches() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(indices), _BATCH_SIZE):
            yield read_patches(indices[start : start + _BATCH_SIZE])

    return batches
