"""`gastritis-gan gan-train`: what are the samples worth as training data?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .experiment import open_experiment
from .extractor_options import (
    cache_option,
    find_weights,
    weights_dir_option,
    weights_option,
)
from .feature_step import FeatureStep
from .gan_train_plan import GanTrainPlan
from .generators import common_resolution, find_models, missing_rows
from .options import PATH, config_option, store_option
from .patch_sources import describe_generators, describe_store, find_test_images
from .provenance import describe_code

if TYPE_CHECKING:
    from gastritis_gan.evaluation.feature_cache import FeatureCache
    from gastritis_gan.evaluation.labelled_image import LabelledImage
    from gastritis_gan.evaluation.settings import EvaluationConfig
    from gastritis_gan.evaluation.svm_settings import SvmSettings

_CONTROL = "mean_and_deviation"  # a table that does as well is about exposure


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
    "of another split are skipped; models with other training seeds make further runs "
    "of a row. Without it only the row of real data is computed.",
)
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder to make; it must not exist.",
)
@weights_option
@weights_dir_option
@cache_option
def gan_train(
    config_path: Path,
    store_path: Path,
    generator_paths: tuple[Path, ...],
    out: Path,
    weights: tuple[str, ...],
    weights_dir: Path | None,
    cache_path: Path | None,
) -> None:
    """Measure GAN-train: train on samples, test on the test patients' images.

    For every row of the paper's tables that has generators, and for real data, an SVM
    is trained on features of patches of both classes; it classifies the patches of
    every test image, and their majority decides the image. Writes results.json, the
    table as table.md, table.csv and table.tex, and figures/, and prints the table:
    sensitivity, specificity, harmonic mean and AUC with 95 % intervals, retention,
    differences between rows, and controls.

    Features are kept in the cache: after a kill, the same command goes on.

    \b
    Example:
      gastritis-gan gan-train --config configs/phantom.yaml --store stores/phantom \\
          --generators exported/ --out results/phantom
    """
    from gastritis_gan.evaluation.figure_files import write_figures
    from gastritis_gan.evaluation.gan_train import check_both_classes
    from gastritis_gan.evaluation.stored_result import RESULT_FORMAT
    from gastritis_gan.evaluation.svm_settings import SvmSettings
    from gastritis_gan.evaluation.tables import csv_table, latex_tables, markdown_tables
    from gastritis_gan.storage import (
        new_folder,
        refuse_existing,
        write_bytes,
        write_json,
    )

    config, store = open_experiment(config_path, store_path)
    settings = config.evaluation
    names: list[str] = list(settings.extractors)
    if settings.controls and _CONTROL not in names:
        names.append(_CONTROL)
    weights_files = find_weights(weights, weights_dir, names)
    refuse_existing(out)
    models, notes = find_models(generator_paths, store)
    resolution = common_resolution(models, config, store)
    images = find_test_images(store, resolution, vote=settings.vote)
    check_both_classes(images)
    cache_path = cache_path or out.parent / "feature-cache"
    plan = GanTrainPlan(models, store, resolution, settings, cache=cache_path)
    features = FeatureStep(
        names,
        resolution=resolution,
        weights=weights_files,
        cache=cache_path,
    )
    notes += missing_rows(models)
    for note in notes:
        click.echo(note, err=True)
    svm = SvmSettings(
        kernel=settings.svm_kernel, c=settings.svm_c, scaling=settings.svm_scaling
    )
    blocks = [*plan.blocks(), *(block for image in images for block in image.blocks)]
    caches = features.fill(blocks)
    results = {
        "format": RESULT_FORMAT,
        "store": describe_store(store, images),
        "protocol": _describe_protocol(settings, resolution),
        "generators": describe_generators(models),
        "notes": notes,
        "images": _describe_images(images),
        "extractors": [
            {
                "extractor": features.descriptions[name],
                **_evaluate(caches[name], plan, images, svm, settings),
            }
            for name in names
        ],
        "code": describe_code(),
    }
    table = markdown_tables(results)
    with new_folder(out) as partial:
        write_json(partial / "results.json", results)
        write_bytes(partial / "table.md", table.encode())
        write_bytes(partial / "table.csv", csv_table(results).encode())
        write_bytes(partial / "table.tex", latex_tables(results).encode())
        write_figures(results, partial / "figures")
    click.echo(table)
    click.echo(
        f"Tables:         {out / 'table.md'}, table.csv, table.tex\n"
        f"Results:        {out / 'results.json'}\n"
        f"Figures:        {out / 'figures'}\n"
        f"Feature cache:  {cache_path} (no result needs it; delete it to free the disk)"
    )


def _evaluate(
    cache: FeatureCache,
    plan: GanTrainPlan,
    images: Sequence[LabelledImage],
    svm: SvmSettings,
    settings: EvaluationConfig,
) -> dict[str, Any]:
    from gastritis_gan.evaluation.gan_test import gan_test
    from gastritis_gan.evaluation.gan_train import gan_train as compute_votes
    from gastritis_gan.evaluation.gan_train import num_steps
    from gastritis_gan.evaluation.summarizer import Summarizer
    from gastritis_gan.progress import progress_bar

    voters = ("all", "inside") if settings.vote == "all" else ("inside",)
    training_sets = plan.training_sets()
    with progress_bar(
        total=num_steps(len(training_sets), len(images), svm),
        description="classifiers, then test images",
        unit="steps",
    ) as bar:
        votes = compute_votes(
            training_sets,
            images,
            cache.read,
            svm,
            voters=voters,
            report=bar.update,
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
        result["controls"] = {
            "permuted_labels": summarizer.permuted(permuted),
            "few_patients": summarizer.few_patients(few, rows, plan.numbers),
            "worth_in_patients": summarizer.worth_in_patients(few, rows, plan.numbers),
            "mixed": summarizer.rows(mixed, real=rows),
            "gan_test": gan_test(plan.rows, cache.read, svm),
        }
    return result


def _describe_images(images: Sequence[LabelledImage]) -> list[dict[str, Any]]:
    """Returns the images; a patient is a number, which tells patients apart only."""
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
    return {
        "resolution": resolution,
        "vote": settings.vote,
        "tie": "positive",
        "samples_per_generator": settings.samples_per_generator,
        "patches_per_class": settings.patches_per_class,
        "svm_kernel": settings.svm_kernel,
        "svm_c": settings.svm_c,
        "svm_scaling": settings.svm_scaling,
        "num_sample_seeds": settings.num_sample_seeds,
        "controls": settings.controls,
        "seed": settings.seed,
    }
