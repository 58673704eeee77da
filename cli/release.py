"""`gastritis-gan release`: samples that can be given away, and what explains them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import click

from gastritis_gan.errors import InputError

from .options import PATH, truncation_option


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder to make.")
@click.option(
    "--per-class",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of images of each class, divided evenly among the class's models.",
)
@click.option(
    "--count",
    "counts",
    multiple=True,
    metavar="NAME=N",
    help="Number of images of one model, instead of --per-class. Repeat it for every "
    "model.",
)
@click.option(
    "--paper-mix",
    is_flag=True,
    help="The paper's best mix: half LC-PGGAN, half PGGAN, for each class. Other "
    "MODELs are left out.",
)
@click.option(
    "--format",
    "image_format",
    default="png",
    show_default=True,
    type=click.Choice(["png", "tfrecord", "dicom"]),
    help="Format of the images.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**62),
    help="Seed of the first image; every image has one of its own.",
)
@truncation_option
@click.option(
    "--audit",
    "audit_dir",
    type=PATH,
    help="Folder of the privacy audit of exactly these models; it must have passed.",
)
@click.option(
    "--key-file",
    "key_path",
    type=PATH,
    help="File of the store's secret key: only an audit that was sealed with it is "
    "taken. Without it, the datasheet says that the seal was not checked.",
)
@click.option(
    "--accept-risk",
    metavar="REASON",
    help="Release without a passing audit, or seeds and a truncation that were not "
    "audited; the datasheet will quote the reason.",
)
@click.option(
    "--results",
    "results_dirs",
    multiple=True,
    type=PATH,
    help="Folder that `gan-train` or `image-metrics` wrote on these models; its table "
    "goes into the datasheet. Repeat it for both.",
)
@click.option(
    "--title",
    help="Title of the data set; by default of its organ.",
)
@click.option(
    "--licence", default="", help="Licence, such as CC-BY-4.0; none by default."
)
@click.option(
    "--author",
    "authors",
    multiple=True,
    metavar="NAME",
    help="Person or institution to cite; repeat it for others.",
)
@click.option(
    "--date",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Date of the release; today (UTC) by default.",
)
def release(
    models: Sequence[Path],
    out: Path,
    per_class: int,
    counts: Sequence[str],
    paper_mix: bool,
    image_format: str,
    seed: int,
    truncation: float,
    audit_dir: Path | None,
    key_path: Path | None,
    accept_risk: str | None,
    results_dirs: Sequence[Path],
    title: str | None,
    licence: str,
    authors: Sequence[str],
    date: datetime.datetime | None,
) -> None:
    """Gather samples of exported MODELs into a folder that can be published.

    A MODEL is exported/NAME, exported/NAME/1, or a folder of models such as exported/.
    Writes the images with their labels, equally many of each class, manifest.csv,
    DATASHEET.md, README.md, CITATION.cff, croissant.json, release.json, sheet.png and
    SHA256SUMS. Without a passing privacy audit it refuses.

    \b
    Examples:
      gastritis-gan release exported/ --paper-mix --per-class 5000 \\
        --audit audits/phantom --licence CC-BY-4.0 --out releases/phantom
      gastritis-gan release exported/lc_positive exported/lc_negative \\
        --format dicom --accept-risk "artificial cohort" --out releases/phantom_dicom
    """
    from gastritis_gan.releases import release as releases

    folder = releases.release(
        models,
        out,
        per_class=per_class,
        counts=_parse_counts(counts),
        paper_mix=paper_mix,
        image_format=image_format,
        seed=seed,
        truncation=truncation,
        audit=audit_dir,
        key=key_path,
        accept_risk=accept_risk,
        results=results_dirs,
        title=title,
        licence=licence,
        authors=authors,
        date=date and date.date(),
    )
    click.echo(
        f"Released:     {folder}\n"
        f"Datasheet:    {folder / 'DATASHEET.md'}\n"
        f"At a glance:  {folder / 'sheet.png'}"
    )


def _parse_counts(options: Sequence[str]) -> dict[str, int]:
    counts = {}
    for option in options:
        name, _, number = option.rpartition("=")
        if not name or not number.isdecimal() or int(number) < 1:
            raise InputError(f"--count {option!r} cannot be read; write NAME=100.")
        counts[name] = int(number)
    return counts
