"""`gastritis-gan cohort`: a folder of DICOM files becomes a draft of cohort.csv."""

from __future__ import annotations

import collections
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
    outline is the PNG, TIFF, JSON, NIfTI or NRRD file with the image's name. Nothing in
    a header says what the `label` is: fill that column in, and read the rest, before
    `prepare`. Files that are not in the draft are listed, each with the reason, in
    NAME_left_out.csv beside it.

    The draft names patients: keep it inside the hospital.

    \b
    Example:
      gastritis-gan cohort exports/pacs --out exports/pacs/cohort.csv
    """
    from gastritis_gan.cohort.cohort_draft import (
        draft_cohort,
        left_out_path_of,
        write_draft,
    )
    from gastritis_gan.storage import refuse_existing

    for path in (csv_path, left_out_path_of(csv_path)):
        refuse_existing(path)
    draft = draft_cohort(folder, csv_path)
    write_draft(draft, csv_path)
    patients = collections.Counter(patient for _, patient, _ in draft.rows)
    no_patient = patients.pop("", 0)
    no_outline = sum(not outline for _, _, outline in draft.rows)
    click.echo(f"{len(draft.rows):,} images of {len(patients):,} patients.")
    click.echo("Missing:")
    click.echo(f"  label    {len(draft.rows):,} images: fill the column in")
    if no_patient:
        click.echo(f"  patient  {no_patient:,} images have no PatientID")
    if no_outline:
        click.echo(
            f"  outline  {no_outline:,} images, {draft.ambiguous:,} of them with "
            "several candidates"
        )
    reasons = collections.Counter(reason for _, reason in draft.left_out)
    for reason, number in reasons.most_common():
        click.echo(f"Left out: {number:,} files: {reason}")
    click.echo(f"Draft: {csv_path} (names patients; keep it inside the hospital)")
    if draft.left_out:
        click.echo(f"Files left out: {left_out_path_of(csv_path)}")
