"""`gastritis-gan gan-train`: what are the samples worth as training data?"""

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
    table as table.md, table.csv and table.tex, and plots/, and prints the table:
    sensitivity, specificity, harmonic mean and AUC with 95 % intervals, retention,
    differences between rows, and controls.

    Features are kept in the cache: after a kill, the same command resumes from it.

    \b
    Example:
      gastritis-gan gan-train --config configs/phantom.yaml --store stores/phantom \\
          --generators exported/ --out results/phantom
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
    cache_path = cache_path or out.parent / "feature-cache"
    result = protocol.gan_train(
        store,
        models,
        config.evaluation,
        resolution=config.schedule.final_resolution,
        cache=cache_path,
        weights=files,
        notes=notes,
    )
    result.save(out)
    click.echo(result.table)
    click.echo(
        f"Tables:         {out / 'table.md'}, table.csv, table.tex\n"
        f"Results:        {out / 'results.json'}\n"
        f"Plots:          {out / 'plots'}\n"
        f"Feature cache:  {cache_path} (no result needs it; delete it to free the disk)"
    )
