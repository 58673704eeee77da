"""`gastritis-gan init`: an experiment file that fits a cohort."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH


@click.command()
@click.argument("cohort", type=PATH)
@click.option(
    "--out", required=True, type=PATH, help="The file to write; it must not exist."
)
@click.option(
    "--positive",
    metavar="LABEL",
    help="Label of the positive class. [default: gastritis, positive, 1, yes or true, "
    "whichever the cohort has]",
)
@click.option(
    "--resolution",
    type=int,
    help="Side of the synthetic images in pixels, a power of two. [default: the "
    "largest up to 64 that a patch has]",
)
def init(cohort: Path, out: Path, positive: str | None, resolution: int | None) -> None:
    """Draft an experiment file for COHORT, a `cohort.csv` or the folder that holds it.

    Reads labels, patients, the size of every image and up to 60 outlines. Chooses the
    largest patch that lies wholly inside the organ, its stride, how many patients of
    each class train, and a schedule for hours on a CPU; a remark explains each choice.

    \b
    Example:
      gastritis-gan init cohorts/phantom --out phantom.yaml
    """
    from gastritis_gan.cohort.cohort import CohortError
    from gastritis_gan.errors import InputError
    from gastritis_gan.experiment_draft import draft_experiment

    try:
        draft = draft_experiment(cohort, out, positive=positive, resolution=resolution)
    except CohortError as error:
        raise InputError(error.public) from error
    for note in draft.notes:
        click.echo(f"Note: {note}")
    click.echo(
        f"{out}: patches of {draft.patch_size} pixels, synthetic images of "
        f"{draft.resolution}. Next: gastritis-gan prepare {cohort} --config {out} "
        "--out STORE"
    )
