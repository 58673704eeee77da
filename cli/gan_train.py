"""`gastritis-gan gan-train`: what are the samples worth as training data?"""

from __future__ import annotations

from pathlib import Path

import click

from .options import Config, evaluation_options, parse_weights


@click.command()
@evaluation_options
def gan_train(
    config: Config,
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
    from gastritis_gan import api

    result = api.gan_train(
        config,
        store_path,
        generator_paths,
        out=out,
        weights=parse_weights(weights, weights_dir),
        cache=cache_path,
    )
    click.echo(result.table)
    click.echo(
        f"Tables:         {out / 'table.md'}, table.csv, table.tex\n"
        f"Results:        {out / 'results.json'}\n"
        f"Plots:          {out / 'plots'}\n"
        f"Feature cache:  {cache_path or out.parent / 'feature-cache'} "
        "(no result needs it; delete it to free the disk)"
    )
