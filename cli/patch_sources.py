"""The patches that an evaluation trains and tests on, as blocks."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gastritis_gan.errors import InputError

from .generators import Models

if TYPE_CHECKING:
    import numpy as np

    from gastritis_gan.evaluation.labelled_image import LabelledImage
    from gastritis_gan.evaluation.patch_block import PatchBlock
    from gastritis_gan.evaluation.rows import Place
    from gastritis_gan.store.store import Store

Blocks = tuple["PatchBlock", ...]

_PROVENANCE_OF_A_GENERATOR = (
    "name",
    "version",
    "model",
    "target",
    "class_name",
    "resolution",
    "num_images",
    "seed",
    "split_hash",
    "tensorflow",
    "keras",
    "gastritis_gan",
    "files",
)


def find_test_images(
    store: Store, resolution: int, *, vote: str
) -> list[LabelledImage]:
    """Returns the test images that have at least one voting patch."""
    from gastritis_gan.evaluation.labelled_image import LabelledImage
    from gastritis_gan.evaluation.real_patches import real_blocks

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
                    blocks=real_blocks(store, patches, resolution),
                    inside=store.patch_inside[patches],
                )
            )
    return images


def training_pools(store: Store) -> dict[str, np.ndarray]:
    """Returns the training patients' patches inside the organ, by class.

    Raises:
        InputError: A class has none.
    """
    from gastritis_gan.evaluation.rows import TARGETS

    pools = {target: store.patch_set(target, "train") for target in TARGETS}
    for target, pool in pools.items():
        if not len(pool):
            raise InputError(
                f"{store.path} has no {target} patches among its training images. "
                "Lower `patches.inside_coverage` and prepare the cohort again."
            )
    return pools


def patients_of(store: Store, patches: np.ndarray) -> np.ndarray:
    """Returns whose patch each is, shape `(n,)`."""
    import numpy as np

    patients = np.array([image.patient for image in store.images])
    return np.asarray(patients[store.patch_image[patches]])


def generator_pools(
    models: Models, *, samples_per_generator: int, sample_seed: int, cache: Path
) -> dict[Place, Blocks]:
    """Returns the samples of each generator; nothing is generated or loaded yet.

    Args:
        models: The generators.
        samples_per_generator: How many samples each makes.
        sample_seed: Decides the samples.
        cache: Folder of the features; the samples are kept in its `samples`.
    """
    from gastritis_gan.evaluation.generated_patches import GeneratedPatches
    from gastritis_gan.evaluation.random_draw import sample_seeds
    from gastritis_gan.serving.model_card import model_hash
    from gastritis_gan.storage import ArrayFolder

    pools = {}
    for place, (folder, card) in models.items():
        model, target, training_seed = place
        seeds = sample_seeds(
            model,
            target,
            training_seed=training_seed,
            count=samples_per_generator,
            seed=sample_seed,
        )
        pools[place] = GeneratedPatches(
            generate=functools.partial(_generate, folder),
            model_hash=model_hash(folder),
            resolution=int(card["resolution"]),
            samples=ArrayFolder(cache / "samples"),
        ).blocks(seeds)
    return pools


def close_generators() -> None:
    """Frees the memory of the generator that made the last samples."""
    _open.cache_clear()


def blocks_of_samples(samples: Sequence[Any]) -> list[PatchBlock]:
    """Returns the blocks that hold the chosen patches of samples."""
    return [block for sample in samples for block, _ in sample.used()]


def describe_generators(models: Models) -> list[dict[str, Any]]:
    """Returns what a result says of each generator, from its card."""
    from gastritis_gan.serving.model_card import model_hash

    return [
        {
            **{key: card.get(key) for key in _PROVENANCE_OF_A_GENERATOR},
            "model_hash": model_hash(folder),
        }
        for folder, card in models.values()
    ]


def describe_store(store: Store, images: Sequence[LabelledImage]) -> dict[str, Any]:
    """Returns what a result says of its store."""
    from gastritis_gan.storage import sha256_of_file
    from gastritis_gan.store.store import STORE_FILE

    num_test = sum(image.split == "test" for image in store.images)
    num_positive = sum(image.positive for image in images)
    return {
        "split_hash": store.split_hash,
        "sha256": sha256_of_file(store.path / STORE_FILE),
        "positive": store.positive,
        "negative": store.negative,
        "patch_size": store.geometry.patch_size,
        "stride": store.geometry.stride,
        "test_patients": len({image.patient for image in images}),
        "test_images": len(images),
        "test_positive_images": num_positive,
        "test_negative_images": len(images) - num_positive,
        "excluded_images": num_test - len(images),
    }


def num_patients(store: Store, pools: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Returns how many training patients have a patch in each pool."""
    return {
        target: len(set(patients_of(store, pool).tolist()))
        for target, pool in pools.items()
    }


def _generate(folder: Path, seeds: np.ndarray) -> np.ndarray:
    images: np.ndarray = _open(folder).generate(seeds)
    return images


@functools.lru_cache(maxsize=1)  # a generator of 256 pixels holds 100 MB
def _open(folder: Path) -> Any:
    from gastritis_gan.serving.exported_model import ExportedModel

    return ExportedModel.open(folder)
