"""GAN-train and the image metrics of a store's generators, from patches to tables."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.class_metrics import ClassMetrics
from gastritis_gan.evaluation.evaluation_settings import EvaluationConfig
from gastritis_gan.evaluation.extractors import CONTROL
from gastritis_gan.evaluation.feature_cache import FeatureCache, Features
from gastritis_gan.evaluation.gan_train import (
    compute_votes,
    gan_test,
)
from gastritis_gan.evaluation.patch_samples import (
    Generator,
    LabelledImage,
    blocks_of,
    real_patches,
)
from gastritis_gan.evaluation.plan import (
    GanTrainPlan,
    Generators,
    common_resolution,
    find_test_images,
    generator_pools,
    generators_by_place,
    missing_rows,
    patients_of,
    training_pools,
)
from gastritis_gan.evaluation.results import (
    METRICS_FORMAT,
    RESULT_FORMAT,
    GanTrainResult,
    ImageMetricsResult,
    describe_code,
)
from gastritis_gan.evaluation.rows import TARGETS, draw_real_patches
from gastritis_gan.evaluation.summary import Summarizer
from gastritis_gan.storage import ArrayFolder, sha256_of_file
from gastritis_gan.store.store import STORE_FILE, Store

_logger = logging.getLogger(__name__)

_CARD_KEYS = (  # of what a result keeps of each generator
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


def gan_train(
    store: Store,
    models: Iterable[Generator],
    settings: EvaluationConfig,
    *,
    resolution: int,
    cache: str | os.PathLike[str],
    weights: Mapping[str, Path] | None = None,
    notes: Sequence[str] = (),
) -> GanTrainResult:
    """Trains a classifier on each row's patches and tests it on the test patients.

    Args:
        store: Real patches, of training and test patients.
        models: Generators of the store's split, such as `ExportedModel`s, at most one
            of each model, class and training seed. Without any, the table has the row
            of real data only.
        settings: The section `evaluation`.
        resolution: Size of the patches in pixels where there are no models; otherwise
            the models' own size counts.
        cache: Folder for features and samples; a call that was killed resumes from it.
        weights: From pretrained extractor to the file of its ImageNet weights; Keras
            downloads the others.
        notes: Sentences for the table, such as on models that were skipped.

    Raises:
        InputError: The models differ in size or are of another split, weights cannot
            be had, or a class has no training patches or no test images.
    """
    cache = Path(cache)
    generators = generators_by_place(models, store)
    resolution = common_resolution(generators, resolution, store)
    images = find_test_images(store, resolution, vote=settings.vote)
    plan = GanTrainPlan(
        store,
        generators,
        settings,
        resolution=resolution,
        samples=ArrayFolder(cache / "samples"),
    )
    names: list[str] = list(settings.extractors)
    if settings.controls and CONTROL not in names:
        names.append(CONTROL)
    features = Features(names, resolution=resolution, weights=weights, cache=cache)
    missing = missing_rows(generators)
    for note in missing:
        _logger.warning(note)
    caches = features.fill(
        [*plan.blocks(), *blocks_of(image.patches for image in images)]
    )
    return GanTrainResult(
        {
            "format": RESULT_FORMAT,
            "store": _describe_store(store, images),
            "protocol": _describe_protocol(settings, resolution),
            "generators": _describe_generators(generators),
            "notes": [*notes, *missing],
            "images": _describe_images(images),
            "extractors": [
                {
                    "extractor": features.descriptions[name],
                    **_evaluate(name, caches[name], plan, images, settings),
                }
                for name in names
            ],
            "code": describe_code(),
        }
    )


def image_metrics(
    store: Store,
    models: Iterable[Generator],
    settings: EvaluationConfig,
    *,
    resolution: int,
    cache: str | os.PathLike[str],
    weights: Mapping[str, Path] | None = None,
    notes: Sequence[str] = (),
) -> ImageMetricsResult:
    """Compares each generator's samples with patches of training patients.

    Arguments as for `gan_train`; there must be at least one model.

    Raises:
        InputError: As `gan_train`, or there are too few patients for a floor.
    """
    cache = Path(cache)
    generators = generators_by_place(models, store)
    if not generators:
        raise InputError(
            "there is no generator of this store's split to measure: give --generators "
            "what `gastritis-gan export` has made of its runs."
        )
    resolution = common_resolution(generators, resolution, store)
    classes = _classes(store, generators, settings, resolution, cache)
    features = Features(
        settings.extractors, resolution=resolution, weights=weights, cache=cache
    )
    caches = features.fill(
        [block for found in classes.values() for block in found.blocks()]
    )
    return ImageMetricsResult(
        {
            "format": METRICS_FORMAT,
            "split_hash": store.split_hash,
            "resolution": resolution,
            "seed": settings.seed,
            "generators": _describe_generators(generators),
            "notes": list(notes),
            "classes": {
                target: {"class_name": getattr(store, target), **found.describe()}
                for target, found in classes.items()
            },
            "pixels": {
                target: found.pixel_metrics(seed=settings.seed)
                for target, found in classes.items()
            },
            "extractors": [
                {
                    "extractor": features.descriptions[name],
                    "metrics": {
                        target: found.feature_metrics(
                            caches[name].read, seed=settings.seed
                        )
                        for target, found in classes.items()
                    },
                }
                for name in settings.extractors
            ],
            "code": describe_code(),
        }
    )


def _evaluate(
    name: str,
    cache: FeatureCache,
    plan: GanTrainPlan,
    images: Sequence[LabelledImage],
    settings: EvaluationConfig,
) -> dict[str, Any]:
    votes = compute_votes(
        plan.training_sets(),
        images,
        cache.read,
        c=settings.svm_c,
        voters=("all", "inside") if settings.vote == "all" else ("inside",),
        description=f"{name}: classifiers, then test images",
    )
    summarizer = Summarizer(images, voters=settings.vote, seed=settings.seed)
    found = iter(votes)
    rows = [next(found) for _ in plan.rows]
    result: dict[str, Any] = {
        "rows": summarizer.rows(rows),
        "means": summarizer.means(rows),
        "differences": summarizer.differences(rows),
    }
    if settings.controls:
        permuted = [next(found) for _ in plan.permuted]
        few = [next(found) for _ in plan.few_patients]
        mixed = [next(found) for _ in plan.mixed]
        few_patients = summarizer.few_patients(few, rows, plan.numbers)
        result["controls"] = {
            "permuted_labels": summarizer.permuted(permuted),
            "few_patients": few_patients,
            "worth_in_patients": summarizer.worth_in_patients(few_patients, rows),
            "mixed": summarizer.rows(mixed, real=rows),
            "gan_test": gan_test(plan.rows, cache.read, c=settings.svm_c),
        }
    return result


def _classes(
    store: Store,
    generators: Generators,
    settings: EvaluationConfig,
    resolution: int,
    cache: Path,
) -> dict[str, ClassMetrics]:
    """Returns the real and generated patches of each class that has a generator."""
    pools = generator_pools(
        generators,
        samples_per_generator=settings.samples_per_generator,
        sample_seed=settings.seed,
        samples=ArrayFolder(cache / "samples"),
    )
    training = training_pools(store)
    classes = {}
    for target in TARGETS:
        generated = {
            f"{model}, training seed {seed}": samples
            for (model, of, seed), samples in pools.items()
            if of == target
        }
        if not generated:
            continue
        real = draw_real_patches(
            training[target],
            2 * settings.patches_per_class,  # each half of the patients has its share
            sample_seed=settings.seed,
            target=target,
        )
        classes[target] = ClassMetrics(
            real_patches(store, real, resolution),
            patients_of(store, real),
            generated,
            most=settings.patches_per_class,
            seed=settings.seed,
        )
    return classes


def _describe_generators(generators: Generators) -> list[dict[str, Any]]:
    return [
        {
            **{key: generator.card.get(key) for key in _CARD_KEYS},
            "model_hash": generator.model_hash,
        }
        for generator in generators.values()
    ]


def _describe_store(store: Store, images: Sequence[LabelledImage]) -> dict[str, Any]:
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


def _describe_images(images: Sequence[LabelledImage]) -> list[dict[str, Any]]:
    """Returns the images; a patient is a number, which only distinguishes them."""
    number_of: dict[str, int] = {}
    return [
        {
            "key": image.key,
            "patient": number_of.setdefault(image.patient, len(number_of)),
            "label": "positive" if image.positive else "negative",
            "patches": len(image.inside),
            "inside_patches": int(image.inside.sum()),
        }
        for image in images
    ]


def _describe_protocol(settings: EvaluationConfig, resolution: int) -> dict[str, Any]:
    protocol = dataclasses.asdict(settings)
    del protocol["extractors"]  # they describe themselves
    return {"resolution": resolution, "tie": "positive", **protocol}
