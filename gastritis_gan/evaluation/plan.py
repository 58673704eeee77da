"""What one evaluation is made of: generators, test images and every training set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.evaluation_settings import EvaluationConfig
from gastritis_gan.evaluation.patch_samples import (
    Generator,
    LabelledImage,
    PatchBlock,
    PatchSample,
    blocks_of,
    generated_patches,
    real_patches,
)
from gastritis_gan.evaluation.rows import (
    NUM_PATIENT_DRAWS,
    REAL_DATA_ROW,
    TARGETS,
    Place,
    TrainingSet,
    draw_patients,
    draw_real_patches,
    generated_rows,
    mixed_row,
    numbers_of_patients,
    permuted_rows,
    sample_seeds,
)
from gastritis_gan.storage import ArrayFolder
from gastritis_gan.store.store import Store

Generators = Mapping[Place, Generator]


class GanTrainPlan:
    """The training sets of the table and of its controls.

    Args:
        store: The store.
        generators: Those of the table.
        settings: The section `evaluation`.
        resolution: Size of all patches in pixels.
        samples: Where the generators' samples are kept.

    Attributes:
        rows: Of the table, each once per chain of generators and sample seed.
        permuted: Real patches with permuted labels; empty without controls.
        few_patients: Patches of few training patients, several draws of them.
        mixed: Few patients' patches filled up with generated ones.
        numbers: How many patients of each class the few are, by row name.

    Raises:
        InputError: A class has no training patches.
    """

    def __init__(
        self,
        store: Store,
        generators: Generators,
        settings: EvaluationConfig,
        *,
        resolution: int,
        samples: ArrayFolder,
    ) -> None:
        self._store = store
        self._resolution = resolution
        self._settings = settings
        self._pools = training_pools(store)
        self.rows = self._make_rows(generators, samples)
        self.permuted: list[TrainingSet] = []
        self.few_patients: list[TrainingSet] = []
        self.mixed: list[TrainingSet] = []
        self.numbers: dict[str, dict[str, int]] = {}
        if settings.controls:
            self._add_controls()

    def training_sets(self) -> list[TrainingSet]:
        """Returns all of them: rows, permuted, few_patients, mixed."""
        return [*self.rows, *self.permuted, *self.few_patients, *self.mixed]

    def blocks(self) -> list[PatchBlock]:
        """Returns the blocks that hold their patches."""
        return [
            block
            for one in self.training_sets()
            for block in blocks_of([one.positive, one.negative])
        ]

    def _make_rows(
        self, generators: Generators, samples: ArrayFolder
    ) -> list[TrainingSet]:
        rows = []
        settings = self._settings
        for seed in range(settings.seed, settings.seed + settings.num_sample_seeds):
            pools = generator_pools(
                generators,
                samples_per_generator=settings.samples_per_generator,
                sample_seed=seed,
                samples=samples,
            )
            rows += generated_rows(
                pools, patches_per_class=settings.patches_per_class, sample_seed=seed
            )
            rows.append(self._real_row(REAL_DATA_ROW, self._pools, seed))
        order = {row.name: number for number, row in enumerate(reversed(rows))}
        return sorted(rows, key=lambda row: -order[row.name])  # the runs of a row meet

    def _add_controls(self) -> None:
        real = next(row for row in self.rows if row.name == REAL_DATA_ROW)
        self.permuted = permuted_rows(real)
        total = {
            target: len(np.unique(patients_of(self._store, pool)))
            for target, pool in self._pools.items()
        }
        self.numbers[REAL_DATA_ROW] = total
        for few in numbers_of_patients(total):
            name = f"Real data, {few['positive']} + {few['negative']} patients"
            self.numbers[name] = few
            draws = [
                self._few_patients(name, few, draw) for draw in range(NUM_PATIENT_DRAWS)
            ]
            self.few_patients += draws
            self.mixed += [
                mixed_row(
                    draws[0], row, patches_per_class=self._settings.patches_per_class
                )
                for row in self.rows
                if row.name != REAL_DATA_ROW and row.sample_seed == self._settings.seed
            ]

    def _few_patients(
        self, name: str, numbers: dict[str, int], draw: int
    ) -> TrainingSet:
        seed = self._settings.seed
        pools = {}
        for target, pool in self._pools.items():
            patients = patients_of(self._store, pool)
            theirs = draw_patients(
                patients, numbers[target], seed=seed, target=target, draw=draw
            )
            pools[target] = pool[theirs]
        return self._real_row(name, pools, seed)

    def _real_row(
        self, name: str, pools: Mapping[str, NDArray[np.int64]], sample_seed: int
    ) -> TrainingSet:
        # Equally many of both classes: a linear SVM leans to the larger one.
        most = min(self._settings.patches_per_class, *map(len, pools.values()))
        drawn = {
            target: real_patches(
                self._store,
                draw_real_patches(
                    pool,
                    most,
                    sample_seed=sample_seed,
                    target=target,
                ),
                self._resolution,
            )
            for target, pool in pools.items()
        }
        return TrainingSet(
            name=name,
            positive=drawn["positive"],
            negative=drawn["negative"],
            sample_seed=sample_seed,
        )


def generators_by_place(models: Iterable[Generator], store: Store) -> Generators:
    """Returns the models by model, target and training seed.

    Raises:
        InputError: One is of another split than the store, or two have one place.
    """
    generators: dict[Place, Generator] = {}
    for model in models:
        card = model.card
        place = (card["model"], card["target"], int(card["seed"]))
        if card.get("split_hash") != store.split_hash:
            raise InputError(
                f"{card['name']} was trained on another split than that of the store "
                f"{store.path}; it may have seen its test patients."
            )
        if place in generators:
            raise InputError(
                f"{generators[place].card['name']} and {card['name']} are both "
                f"{place[0]} models of the {place[1]} class with the training seed "
                f"{place[2]}, and a row needs exactly one."
            )
        generators[place] = model
    return generators


def common_resolution(generators: Generators, default: int, store: Store) -> int:
    """Returns the size in pixels of every row's and every test image's patches.

    Args:
        generators: They must agree.
        default: The size without generators.
        store: Its patches must be at least as large.

    Raises:
        InputError: The sizes differ, or are above the store's.
    """
    sizes = {one.card["name"]: one.resolution for one in generators.values()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name}: {size}" for name, size in sizes.items())
        raise InputError(
            f"the generators make images of different sizes ({listed}), so their rows "
            "could not be compared: give those of one size, each with its own "
            "--generators."
        )
    resolution = next(iter(sizes.values()), default)
    if resolution > store.geometry.patch_size:
        raise InputError(
            f"patches of {resolution} pixels were asked for, and the store's have "
            f"{store.geometry.patch_size}: lower `schedule.final_resolution`, or give "
            "generators that were trained on this store."
        )
    return resolution


def missing_rows(places: Iterable[Place]) -> list[str]:
    """Returns a sentence on each model and training seed that lacks one class."""
    places = list(places)
    if not places:
        return [
            "There is no generator of this store's split: the table has real data only."
        ]
    notes = []
    for model in sorted({model for model, _, _ in places}):
        for target, other in (TARGETS, TARGETS[::-1]):
            seeds, other_seeds = (
                {place[2] for place in places if place[:2] == (model, name)}
                for name in (target, other)
            )
            lonely = sorted(seeds - other_seeds)
            if not seeds:
                notes.append(
                    f"There is no {model} generator of the {target} class; its rows "
                    "are left out."
                )
            elif other_seeds and lonely and max(len(seeds), len(other_seeds)) > 1:
                notes.append(
                    f"The {model} generators of the {target} class with the training "
                    f"seeds {', '.join(map(str, lonely))} are left out: the {other} "
                    "class has none of these seeds."
                )
    return notes


def generator_pools(
    generators: Generators,
    *,
    samples_per_generator: int,
    sample_seed: int,
    samples: ArrayFolder,
) -> dict[Place, PatchSample]:
    """Returns the samples of each generator; nothing is generated or loaded yet.

    Args:
        generators: The generators.
        samples_per_generator: How many samples each makes.
        sample_seed: Decides the samples.
        samples: Where they are kept.
    """
    pools = {}
    for place, generator in generators.items():
        model, target, training_seed = place
        seeds = sample_seeds(
            model,
            target,
            training_seed=training_seed,
            count=samples_per_generator,
            seed=sample_seed,
        )
        pools[place] = generated_patches(generator, seeds, samples)
    return pools


def training_pools(store: Store) -> dict[str, NDArray[np.int64]]:
    """Returns the training patients' patches inside the organ, by class.

    Raises:
        InputError: A class has none.
    """
    pools = {target: store.patch_set(target, "train") for target in TARGETS}
    for target, pool in pools.items():
        if not len(pool):
            raise InputError(
                f"{store.path} has no {target} patches among its training images. "
                "Lower `patches.inside_coverage` and prepare the cohort again."
            )
    return pools


def patients_of(store: Store, patches: NDArray[np.int64]) -> NDArray[np.str_]:
    """Returns whose patch each is, shape `(n,)`."""
    patients = np.array([image.patient for image in store.images])
    return np.asarray(patients[store.patch_image[patches]])


def find_test_images(
    store: Store, resolution: int, *, vote: str
) -> Sequence[LabelledImage]:
    """Returns the test images that have at least one voting patch.

    Raises:
        InputError: No such image is positive, or none is negative, so that Sen or Spe
            is undefined.
    """
    images = []
    for index, image in enumerate(store.images):
        if image.split != "test":
            continue
        patches = store.patches_of_image(index, inside_only=vote == "inside")
        if len(patches):
            images.append(
                LabelledImage(
                    key=image.key,
                    patient=image.patient,
                    positive=image.label == "positive",
                    patches=real_patches(store, patches, resolution),
                    inside=store.patch_inside[patches],
                )
            )
    for positive, name in ((True, "positive"), (False, "negative")):
        if not any(image.positive == positive for image in images):
            raise InputError(
                f"no {name} test image has a voting patch, so there is nothing to test "
                "on: prepare the cohort with fewer training patients or a smaller "
                "patch, or set `evaluation.vote: all`."
            )
    return images
