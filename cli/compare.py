"""`gastritis-gan compare`: two GAN-train results against each other."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
def compare(first: Path, second: Path) -> None:
    """Compare two results of `gan-train`, row by row, on the same test images.

    FIRST and SECOND are folders that `gan-train` made with the same store, such as with
    generators before and after a change. For each extractor and row in both it prints
    HM in each, the difference (first - second) with its 95 % interval on the same
    resamples of the patients, and McNemar's test by patient.

    \b
    Example:
      gastritis-gan compare results/lambda_05 results/lambda_02
    """
    from gastritis_gan.evaluation import compare as comparison

    click.echo(comparison.compare(first, second).table)
