"""`gastritis-gan sample`: an exported model becomes images."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--count",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of images.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Seed of the first image; the next images have the next seeds. After "
    "--count 64 --seed 0, --seed 64 goes on with new images.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make; it must not exist.",
)
@click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Variety of the images: 1 as trained, 0 the same image for every seed.",
)
@click.option(
    "--version",
    type=click.IntRange(min=0),
    help="Version of the model; the highest by default.",
)
def sample(
    model: Path,
    *,
    count: int,
    seed: int,
    out: Path,
    truncation: float,
    version: int | None,
) -> None:
    """Sample images from an exported MODEL, such as exported/NAME or exported/NAME/1.

    Writes 000000.png and so on (8-bit greyscale), manifest.csv with the seed, class,
    model and version of each image, and sheet.png with the first 64 images. The same
    seed gives the same image again, within one grey level.

    \b
    Example:
      gastritis-gan sample exported/phantom_lc --count 64 --seed 0 --out samples/lc
    """
    from gastritis_gan.files import refuse_existing
    from gastritis_gan.serving.exported_model import ExportedModel
    from gastritis_gan.serving.sample_folder import write_sample_folder

    refuse_existing(out)
    opened = ExportedModel.open(model, version)
    write_sample_folder(opened, out, count=count, seed=seed, truncation=truncation)
    click.echo(
        f"Sampled {opened.card['name']}, version {opened.version}, class "
        f"'{opened.card['class_name']}': {count} images.\n"
        f"Images and manifest.csv:  {out}\n"
        f"Contact sheet:            {out / 'sheet.png'}"
    )
