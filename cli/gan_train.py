"""`gastritis-gan gan-train`: what are the samples worth as training data?"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gastritis_gan.config import EvaluationConfig
from gastritis_gan.errors import InputError

from .experiment import open_experiment
from .generators import Models, common_resolution, find_models, missing_rows
from .options import PATH, config_option, store_option

if TYPE_CHECKING:
    from gastritis_gan.data.store import Store
    from gastritis_gan.evaluation.features.feature_extractor import FeatureExtractor
    from gastritis_gan.evaluation.labelled_image import LabelledImage
    from gastritis_gan.evaluation.training_set import TrainingSet

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


@click.command()
@config_option
@store_option
@click.option(
    "--generators",
    "generator_paths",
    multiple=True,
    type=PATH,
    help="A folder of exported models, such as exported/, or one model, exported/NAME "
    "or exported/NAME/1. Repeatable. Of each model the highest version counts; models "
    "of another split are skipped. Without it only the row of real data is computed.",
)
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder to make; it must not exist.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="NAME=FILE",
    help="ImageNet weights (.h5) of a pretrained extractor, as in "
    "vgg16_block5=vgg16_notop.weights.h5. Repeatable. Without it Keras downloads them.",
)
def gan_train(
    config_path: Path,
    store_path: Path,
    generator_paths: tuple[Path, ...],
    out: Path,
    weights: tuple[str, ...],
) -> None:
    """Measure GAN-train: train on samples, test on the test patients' images.

    For every row of the paper's tables that has generators, and for real data, an SVM
    is trained on features of patches of both classes; it classifies the patches of
    every test image, and their majority decides the image. Writes table.md and
    results.json, and prints the table: sensitivity, specificity and their harmonic
    mean, with 95 % intervals.

    \b
    Example:
      gastritis-gan gan-train --config configs/phantom.yaml --store stores/phantom \\
          --generators exported/ --out results/phantom
    """
    from gastritis_gan.evaluation.features.registry import make_extractor
    from gastritis_gan.evaluation.gan_train import check_both_classes
    from gastritis_gan.evaluation.tables import markdown_tables
    from gastritis_gan.files import new_folder, write_bytes, write_json

    config, store = open_experiment(config_path, store_path)
    weights_files = _parse_weights(weights, config.evaluation.extractors)
    with new_folder(out) as partial:
        models, notes = find_models(generator_paths, store)
        resolution = common_resolution(models, config, store)
        images = _test_images(store, resolution, vote=config.evaluation.vote)
        check_both_classes(images)
        extractors = [
            make_extractor(
                name, resolution=resolution, weights_file=weights_files.get(name)
            )
            for name in config.evaluation.extractors
        ]
        rows = _training_sets(models, store, resolution, config.evaluation)
        notes += missing_rows(models)
        for note in notes:
            click.echo(note, err=True)
        results = {
            "format": 1,
            "store": _describe_store(store, images),
            "protocol": _describe_protocol(config.evaluation, resolution),
            "generators": [
                {key: card.get(key) for key in _PROVENANCE_OF_A_GENERATOR}
                for _, card in models.values()
            ],
            "notes": notes,
            "images": [
                {
                    "key": image.key,
                    "label": "positive" if image.positive else "negative",
                    "patches": image.num_patches,
                }
                for image in images
            ],
            "extractors": [
                {
                    "extractor": extractor.describe(),
                    "rows": _evaluate(extractor, rows, images, config.evaluation),
                }
                for extractor in extractors
            ],
            "packages": {
                package: importlib.metadata.version(package)
                for package in ("gastritis-gan", "numpy", "scikit-learn")
            },
        }
        write_json(partial / "results.json", results)
        table = markdown_tables(results)
        write_bytes(partial / "table.md", table.encode())
    click.echo(table)
    click.echo(f"Table:    {out / 'table.md'}\nResults:  {out / 'results.json'}")


def _parse_weights(
    options: Sequence[str], extractors: Sequence[str]
) -> dict[str, Path]:
    from gastritis_gan.evaluation.features.registry import PRETRAINED_NETWORKS

    files = {}
    usable = [name for name in extractors if name in PRETRAINED_NETWORKS]
    for option in options:
        name, _, file = option.partition("=")
        if name not in usable or not file:
            raise InputError(
                f"--weights {option}: give NAME=FILE, where NAME is a pretrained "
                "network in the config's `evaluation.extractors`: "
                f"{', '.join(usable) or 'it has none'}."
            )
        files[name] = Path(file)
    return files


def _test_images(store: Store, resolution: int, *, vote: str) -> list[LabelledImage]:
    """Returns the test images that have at least one voting patch."""
    from gastritis_gan.data.patch_reader import read_patches
    from gastritis_gan.evaluation.labelled_image import LabelledImage

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
                    num_patches=len(patches),
                    read_patches=functools.partial(
                        read_patches, store, patches, resolution
                    ),
                )
            )
    return images


def _training_sets(
    models: Models, store: Store, resolution: int, settings: EvaluationConfig
) -> list[TrainingSet]:
    """Returns the rows of the generators, then the row of real data."""
    from gastritis_gan.data.patch_reader import read_patches
    from gastritis_gan.evaluation.rows import TARGETS, generated_rows, real_row
    from gastritis_gan.serving.exported_model import ExportedModel

    pools = {target: store.patch_set(target, "train") for target in TARGETS}
    for target, pool in pools.items():
        if not len(pool):
            raise InputError(
                f"{store.path} has no {target} patches among its training images. "
                "Lower `patches.inside_coverage` and prepare the cohort again."
            )
    return [
        *generated_rows(
            {
                key: ExportedModel.open(path).generate
                for key, (path, _) in models.items()
            },
            samples_per_generator=settings.samples_per_generator,
            patches_per_class=settings.patches_per_class,
            seed=settings.seed,
        ),
        real_row(
            lambda indices: read_patches(store, indices, resolution),
            pools,
            patches_per_class=settings.patches_per_class,
            seed=settings.seed,
        ),
    ]


def _evaluate(
    extractor: FeatureExtractor,
    rows: Sequence[TrainingSet],
    images: Sequence[LabelledImage],
    settings: EvaluationConfig,
) -> list[dict[str, Any]]:
    from gastritis_gan.evaluation.gan_train import gan_train as compute_votes
    from gastritis_gan.evaluation.summary import summarize_row
    from gastritis_gan.progress import progress_bar

    total = sum(row.num_positive + row.num_negative for row in rows)
    total += sum(image.num_patches for image in images)
    with progress_bar(
        total=total, description=f"gan-train, {extractor.name}", unit="patches"
    ) as bar:
        votes = compute_votes(
            extractor,
            rows,
            images,
            svm_c=settings.svm_c,
            seed=settings.seed,
            report_patches=bar.update,
        )
    return [summarize_row(row, images, seed=settings.seed) for row in votes]


def _describe_store(store: Store, images: Sequence[LabelledImage]) -> dict[str, Any]:
    num_test = sum(image.split == "test" for image in store.images)
    num_positive = sum(image.positive for image in images)
    return {
        "split_hash": store.split_hash,
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


def _describe_protocol(settings: EvaluationConfig, resolution: int) -> dict[str, Any]:
    return {
        "resolution": resolution,
        "vote": settings.vote,
        "tie": "positive",
        "samples_per_generator": settings.samples_per_generator,
        "patches_per_class": settings.patches_per_class,
        "classifier": "StandardScaler, LinearSVC (squared hinge, dual=auto)",
        "svm_c": settings.svm_c,
        "seed": settings.seed,
    }
