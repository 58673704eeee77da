"""`gastritis-gan gan-train`: what are the samples worth as training data?"""

from __future__ import annotations

import json
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
    as_json: bool,
) -> None:
    """Measure GAN-train: train on samples, test on the test patients' images.

    For every row of the paper's tables that has generators, and for real data, an SVM
    is trained on features of patches of both classes; it classifies the patches of
    every test image, and their majority decides the image. Writes results.json, the
    tables as table.md, table.csv and table.tex (also AUC, retention, differences
    between rows, and controls), summary.md and plots/. Prints sensitivity, specificity
    and their harmonic mean with 95 % intervals, and a conclusion.

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
    if as_json:
        click.echo(json.dumps(result.results))
        return
    click.echo(f"{result.digest}\n")
    click.echo(
        f"Tables:         {out / 'table.md'}, table.csv, table.tex\n"
        f"Results:        {out / 'results.json'}\n"
        f"Plots:          {out / 'plots'}\n"
        f"Feature cache:  {cache_path or out.parent / 'feature-cache'} "
        "(no result needs it; delete it to free the disk)"
    )
