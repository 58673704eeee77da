"""`gastritis-gan phantom`: a cohort without patients."""

from __future__ import annotations

import pathlib

import click


@click.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=pathlib.Path),
    help="Folder to make; it must not exist.",
)
@click.option(
    "--patients",
    default=40,
    show_default=True,
    type=click.IntRange(min=2),
    help="Number of patients, one image each. It must be even: half have gastritis.",
)
@click.option(
    "--image-size",
    default=1024,
    show_default=True,
    type=int,
    help="Side of the square images in pixels, 256 to 4096.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(min=0, max=2**63 - 1),
    help="The same seed gives the same files.",
)
def phantom(out: pathlib.Path, patients: int, image_size: int, seed: int) -> None:
    """Write a cohort of artificial double-contrast barium radiographs.

    The cohort has the form that `prepare` reads: 12-bit DICOM images, PNG outlines of
    the stomach, and cohort.csv. Every name, id and date in it is invented.

    \b
    Example:
      gastritis-gan phantom --out cohorts/phantom --patients 40 --seed 0
    """
    from gastritis_gan.phantom.phantom_cohort import make_phantom

    path = make_phantom(out, patients=patients, image_size=image_size, seed=seed)
    click.echo(f"Cohort of {patients} phantom patients: {path}")
