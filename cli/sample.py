"""`gastritis-gan sample`: an exported model becomes images."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, remind_of_audit, truncation_option, version_option


@click.command()
@click.argument("folder", metavar="[MODEL]", required=False, type=PATH)
@click.option(
    "--server",
    help="Ask a server instead of reading a folder: its REST address, such as "
    "http://127.0.0.1:8501. This needs no TensorFlow.",
)
@click.option("--model", "name", help="Name of the model on the server.")
@version_option
@click.option("--label", help="Version of the model on the server, by its label.")
@click.option(
    "--wait",
    "wait_seconds",
    default=0.0,
    type=click.FloatRange(min=0),
    help="Seconds to wait until the server has loaded the model.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Seconds that one request to a server may take.",
)
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
    "--count 64 --seed 0, --seed 64 gives new images.",
)
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder to make; it must not exist.",
)
@truncation_option
def sample(
    folder: Path | None,
    *,
    server: str | None,
    name: str | None,
    version: int | None,
    label: str | None,
    wait_seconds: float,
    timeout_seconds: float,
    count: int,
    seed: int,
    out: Path,
    truncation: float,
) -> None:
    """Sample images from an exported MODEL, such as exported/NAME, or from a server.

    Writes 000000.png and so on (8-bit greyscale), manifest.csv with the seed, class,
    model and version of each image, and sheet.png with the first 64 images. The same
    seed gives the same image again, within one grey level, from a folder as from a
    server. After an interruption the same command resumes.

    \b
    Examples:
      gastritis-gan sample exported/phantom_lc --count 64 --seed 0 --out samples/lc
      gastritis-gan sample --server http://127.0.0.1:8501 --model phantom_lc \\
        --count 1000 --out samples/lc
    """
    from gastritis_gan.serving import sample_folder
    from gastritis_gan.serving.exported_model import ExportedModel, open_model

    where = server or folder
    if where is None or (server and folder):
        raise click.UsageError("Give a MODEL folder or --server, one of the two.")
    model = open_model(
        where,
        name,
        version=version,
        label=label,
        wait_seconds=wait_seconds,
        timeout_seconds=timeout_seconds,
    )
    sample_folder.sample(model, out, count=count, seed=seed, truncation=truncation)
    of_class = f", class '{model.class_name}'" if model.class_name else ""
    click.echo(
        f"Sampled {model.name}, version {model.version}{of_class}.\n"
        f"Number of images:         {count}\n"
        f"Images and manifest.csv:  {out}\n"
        f"Contact sheet:            {out / 'sheet.png'}"
    )
    if isinstance(model, ExportedModel):  # a server tells no card
        remind_of_audit(model.path)
