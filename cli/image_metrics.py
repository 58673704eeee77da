"""`gastritis-gan image-metrics`: how near are the samples to real patches?"""

from __future__ import annotations

from pathlib import Path

import click

from .experiment import open_experiment
from .options import (
    PATH,
    cache_option,
    config_option,
    store_option,
    weights_dir_option,
    weights_option,
)


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
    from gastritis_gan.evaluation import protocol
    from gastritis_gan.evaluation.features.weights import find_weights
    from gastritis_gan.serving.exported_model import find_models
    from gastritis_gan.storage import refuse_existing

    config, store = open_experiment(config_path, store_path)
    files = find_weights(weights, weights_dir, config.evaluation.extractors)
    refuse_existing(out)
    models, notes = find_models(generator_paths, split_hash=store.split_hash)
    for note in notes:
        click.echo(note, err=True)
    result = protocol.image_metrics(
        store,
        models,
        config.evaluation,
        resolution=config.schedule.final_resolution,
        cache=cache_path or out.parent / "feature-cache",
        weights=files,
        notes=notes,
    )
    result.save(out)
    click.echo(result.table)
    click.echo(f"Tables:   {out / 'metrics.md'}\nResults:  {out / 'metrics.json'}")
