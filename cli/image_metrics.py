"""`gastritis-gan image-metrics`: how near are the samples to real patches?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gastritis_gan.errors import InputError

from .experiment import open_experiment
from .extractor_options import (
    cache_option,
    find_weights,
    weights_dir_option,
    weights_option,
)
from .feature_step import FeatureStep
from .generators import Models, common_resolution, find_models
from .options import PATH, config_option, store_option
from .patch_sources import (
    describe_generators,
    generator_pools,
    patients_of,
    training_pools,
)
from .provenance import describe_code

if TYPE_CHECKING:
    import numpy as np

    from gastritis_gan.evaluation.image_metrics.class_metrics import ClassMetrics
    from gastritis_gan.evaluation.settings import EvaluationConfig
    from gastritis_gan.store.store import Store


@click.command()
@config_option
@store_option
@click.option(
    "--generators",
    "generator_paths",
    multiple=True,
    required=True,
    type=PATH,
    help="A folder of exported models, such as exported/, or one model, exported/NAME "
    "or exported/NAME/1. Repeatable. Models of another split are skipped.",
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
def image_metrics(
    config_path: Path,
    store_path: Path,
    generator_paths: tuple[Path, ...],
    out: Path,
    weights: tuple[str, ...],
    weights_dir: Path | None,
    cache_path: Path | None,
) -> None:
    """Measure Fréchet and kernel distance, SWD, PRDC and diversity of the samples.

    Every generator's samples are compared with the training patients' patches of its
    class, and, as a floor, halves of these patients with each other, at equal numbers.
    Features are those of `evaluation.extractors`. Writes metrics.json and metrics.md
    and prints the tables. Features are shared with `gan-train` through the cache.

    \b
    Example:
      gastritis-gan image-metrics --config configs/phantom.yaml \\
          --store stores/phantom --generators exported/ --out results/phantom_images
    """
    from gastritis_gan.evaluation.image_metrics.tables import markdown_metrics
    from gastritis_gan.storage import (
        new_folder,
        refuse_existing,
        write_bytes,
        write_json,
    )

    config, store = open_experiment(config_path, store_path)
    settings = config.evaluation
    weights_files = find_weights(weights, weights_dir, settings.extractors)
    refuse_existing(out)
    models, notes = find_models(generator_paths, store)
    for note in notes:
        click.echo(note, err=True)
    if not models:
        raise InputError(
            "there is no generator of this store's split to measure: give --generators "
            "what `gastritis-gan export` has made of its runs."
        )
    resolution = common_resolution(models, config, store)
    cache_path = cache_path or out.parent / "feature-cache"
    classes = _classes(models, store, resolution, settings, cache=cache_path)
    features = FeatureStep(
        settings.extractors,
        resolution=resolution,
        weights=weights_files,
        cache=cache_path,
    )
    blocks = [block for found in classes.values() for block in found.blocks()]
    caches = features.fill(blocks)
    results: dict[str, Any] = {
        "format": 1,
        "split_hash": store.split_hash,
        "resolution": resolution,
        "seed": settings.seed,
        "generators": describe_generators(models),
        "notes": notes,
        "classes": {
            target: {"class_name": getattr(store, target), **found.describe()}
            for target, found in classes.items()
        },
        "pixels": {
            target: found.pixel_metrics(seed=settings.seed)
            for target, found in classes.items()
        },
        "extractors": [],
        "code": describe_code(),
    }
    for name in settings.extractors:
        results["extractors"].append(
            {
                "extractor": features.descriptions[name],
                "metrics": {
                    target: found.feature_metrics(caches[name].read, seed=settings.seed)
                    for target, found in classes.items()
                },
            }
        )
    table = markdown_metrics(results)
    with new_folder(out) as partial:
        write_json(partial / "metrics.json", results)
        write_bytes(partial / "metrics.md", table.encode())
    click.echo(table)
    click.echo(f"Tables:   {out / 'metrics.md'}\nResults:  {out / 'metrics.json'}")


def _classes(
    models: Models,
    store: Store,
    resolution: int,
    settings: EvaluationConfig,
    *,
    cache: Path,
) -> dict[str, ClassMetrics]:
    """Returns the real and generated patches of each class that has a generator."""
    from gastritis_gan.evaluation.image_metrics.class_metrics import ClassMetrics
    from gastritis_gan.evaluation.patch_sample import whole
    from gastritis_gan.evaluation.real_patches import real_blocks
    from gastritis_gan.evaluation.rows import TARGETS, draw_real_patches

    pools = generator_pools(
        models,
        samples_per_generator=settings.samples_per_generator,
        sample_seed=settings.seed,
        cache=cache,
    )
    training = training_pools(store)
    classes = {}
    for target in TARGETS:
        generated: dict[str, Any] = {
            _name(place): whole(blocks)
            for place, blocks in pools.items()
            if place[1] == target
        }
        if not generated:
            continue
        real: np.ndarray = draw_real_patches(
            training[target],
            2 * settings.patches_per_class,  # each half of the patients has its share
            sample_seed=settings.seed,
            target=target,
        )
        classes[target] = ClassMetrics(
            whole(real_blocks(store, real, resolution)),
            patients_of(store, real),
            generated,
            most=settings.patches_per_class,
            seed=settings.seed,
        )
    return classes


def _name(place: tuple[str, str, int]) -> str:
    model, _, training_seed = place
    return f"{model}, training seed {training_seed}"
