"""`gastritis-gan cohort`: a folder of DICOM files becomes a draft of cohort.csv."""

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
def cohort(folder: Path, csv_path: Path) -> None:
    """Draft a cohort file from the DICOM headers in FOLDER and the folders below it.

    Every greyscale image gets a row, and so does every frame of a file with several
    (FILE#1, FILE#2, ...: delete those you do not want); `patient` is its PatientID. An
    outline is the PNG, TIFF, JSON, NIfTI or NRRD file with the image's name. No
    header holds the `label`: fill that column in, and check the others, before
    `prepare`. Files that are not in the draft are listed, each with the reason, in
    NAME_left_out.csv beside it.

    The draft names patients: keep it inside the hospital.

    \b
    Example:
      gastritis-gan cohort exports/pacs --out exports/pacs/cohort.csv
    """
    from gastritis_gan.cohort.draft import draft_cohort

    draft = draft_cohort(folder, csv_path)
    click.echo(draft.summary)
    click.echo(f"Draft: {draft.path} (names patients; keep it inside the hospital)")
    if draft.left_out:
        click.echo(f"Files left out: {draft.left_out_path}")
