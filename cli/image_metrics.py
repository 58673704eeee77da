"""`gastritis-gan image-metrics`: how near are the samples to real patches?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import Config, evaluation_options, parse_weights


@click.command()
@evaluation_options
def image_metrics(
    config: Config,
    store_path: Path,
    generator_paths: tuple[Path, ...],
    out: Path,
    weights: tuple[str, ...],
    weights_dir: Path | None,
    cache_path: Path | None,
    as_json: bool,
) -> None:
    """Measure Fréchet and kernel distance, SWD, PRDC and diversity of the samples.

    Every generator's samples are compared with the training patients' patches of its
    class, and, as a floor, halves of these patients with each other, at equal numbers.
    Features are those of `evaluation.extractors`. Writes metrics.json and metrics.md,
    and prints the main metrics and a conclusion. Features are shared with `gan-train`
    through the cache.

    \b
    Example:
      gastritis-gan image-metrics --config configs/phantom.yaml \\
          --store stores/phantom --generators exported/ --out results/phantom_images
    """
    from gastritis_gan import api

    result = api.image_metrics(
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
    click.echo(f"Tables:   {out / 'metrics.md'}\nResults:  {out / 'metrics.json'}")
