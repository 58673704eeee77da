"""`gastritis-gan compare`: two GAN-train results against each other."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import PATH, json_option


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option(
    "--out", type=PATH, help="Folder to make for comparison.json and comparison.md."
)
@json_option
def compare(first: Path, second: Path, out: Path | None, as_json: bool) -> None:
    """Compare two results of `gan-train`, row by row, on the same test images.

    FIRST and SECOND are folders that `gan-train` made with the same store, such as with
    generators before and after a change. For each extractor and row in both it prints
    HM in each, the difference (first - second) with its 95 % interval on the same
    resamples of the patients, and McNemar's test by patient; then what only one has,
    and a conclusion. --out also keeps the differences in AUC.

    \b
    Example:
      gastritis-gan compare results/lambda_05 results/lambda_02
    """
    from gastritis_gan.evaluation import compare as comparison

    result = comparison.compare(first, second)
    if out is not None:
        result.save(out)
    click.echo(json.dumps(result.results) if as_json else result.digest)
