"""`gastritis-gan cohort`: a folder of images becomes a draft of cohort.csv."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "csv_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The cohort file to write. It must not exist; its paths are relative to it.",
)
@click.option(
    "--labels",
    "labels_path",
    type=click.Path(path_type=Path),
    help="A table (CSV) whose column `label` or `class` is joined to the images; its "
    "columns `patient` and `split` are used too.",
)
@click.option(
    "--key",
    metavar="COLUMN",
    help="The column of the table that names images: by path, SOPInstanceUID, file "
    "name with or without suffix, or PatientID.",
)
def cohort(
    folder: Path, csv_path: Path, labels_path: Path | None, key: str | None
) -> None:
    """Draft a cohort file from the images in FOLDER and the folders below it.

    Every greyscale DICOM, PNG or TIFF image gets a row, and so does every frame of a
    file with several (FILE#1, FILE#2, ...: delete those you do not want); `patient` is
    its PatientID. A PNG or TIFF file with two grey levels, or called a mask, is not an
    image. An outline is the PNG, TIFF, JSON, NIfTI or NRRD file with the image's name,
    or this name and _mask, _seg, _label or the like. No image holds its `label`: join a
    table, or fill that column in, and check the others, before `prepare`. Files that
    are not in the draft are listed, each with the reason, in NAME_left_out.csv beside
    it.

    The draft names patients: keep it inside the hospital.

    \b
    Examples:
      gastritis-gan cohort exports/pacs --out exports/pacs/cohort.csv
      gastritis-gan cohort films --labels study.csv --key file --out films/cohort.csv
    """
    from gastritis_gan.cohort.draft import draft_cohort

    draft = draft_cohort(folder, csv_path, labels=labels_path, key=key)
    click.echo(draft.summary)
    click.echo(f"Draft: {draft.path} (names patients; keep it inside the hospital)")
    if draft.left_out:
        click.echo(f"Files left out: {draft.left_out_path}")
