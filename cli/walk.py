"""`gastritis-gan walk`: what lies between a model's images."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, out_option, version_option


@click.command()
@click.argument("model", type=PATH)
@version_option
@click.option(
    "--stops",
    default=6,
    show_default=True,
    type=click.IntRange(2, 64),
    help="Images that the walk visits; it returns to the first.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed of the first stop; the others have the next seeds.",
)
@out_option
def walk(model: Path, version: int | None, stops: int, seed: int, out: Path) -> None:
    """Walk through the images of an exported MODEL, such as exported/NAME.

    Writes walk.gif, an animation from stop to stop, and walk.png, the same as rows of
    pictures. A stop is the image that `sample` makes of that seed.

    \b
    Example:
      gastritis-gan walk exported/phantom_lc_positive --out walks/lc_positive
    """
    from gastritis_gan.serving import walk as walks
    from gastritis_gan.serving.exported_model import ExportedModel

    walks.walk(ExportedModel.open(model, version), out, stops=stops, seed=seed)
    click.echo(f"Animation:  {out / 'walk.gif'}\nStrip:      {out / 'walk.png'}")
