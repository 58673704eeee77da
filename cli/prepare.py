"""`gastritis-gan prepare`: a cohort becomes a store."""

from __future__ import annotations

from pathlib import Path

import click

from gastritis_gan.errors import InputError

from .options import Config, experiment_options, key_option


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@experiment_options(
    "The experiment file; its keys `cohort`, `patches` and `split` are used."
)
@click.option(
    "--out",
    "store_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The store to make.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    help="Number of processes that decode images. Default: the number of CPU cores.",
)
@click.option(
    "--window",
    default=None,
    help="Which of several windows or VOI LUTs a DICOM file is shown with: its number, "
    "from 1, or its explanation. Default: the first.",
)
@key_option
@click.option(
    "--discard-key",
    is_flag=True,
    help="Remove the key of the pseudonyms once the store is finished.",
)
@click.option(
    "--verbose",
    is_flag=True,
    help="Let error messages name files and quote them; they may identify patients.",
)
def prepare(
    cohort: Path,
    config: Config,
    store_path: Path,
    workers: int | None,
    window: str | None,
    key_path: Path | None,
    discard_key: bool,
    verbose: bool,
) -> None:
    """Decode and de-identify COHORT, a `cohort.csv` or the folder that holds it.

    The CSV has the columns image, patient, label and outline; paths are relative to it.
    Images are DICOM, PNG or TIFF; outlines are masks (PNG, TIFF, NIfTI, NRRD, DICOM
    Segmentation; above 0 inside the organ) or polygons (LabelMe, COCO) of the image's
    size. Test images can go without. The labels are the config's `cohort.positive` and
    `cohort.negative`.

    The store holds no name, path or DICOM attribute of the cohort. Its pseudonyms come
    from a secret key (--key-file): keep it inside the hospital, apart from the store,
    or delete it; without it a finished store cannot be compared with its cohort again.

    The store grows in STORE.partial and appears when it is whole. After an interruption
    the same command resumes; on a finished store it only checks that images, outlines,
    CSV and config are still the same. Neither what it prints nor its error messages
    hold a name of the cohort, unless --verbose asks for it: they name the row.

    \b
    Example:
      gastritis-gan prepare cohorts/phantom --config configs/phantom.yaml \\
        --out stores/phantom
    """
    from gastritis_gan import api
    from gastritis_gan.cohort.cohort import CohortError
    from gastritis_gan.store.inspect import summarize
    from gastritis_gan.store.pseudonym import key_path_of

    was_there = store_path.exists()
    try:
        store = api.prepare(
            cohort,
            config,
            store_path,
            workers=workers,
            window=int(window) if window and window.isdecimal() else window,
            key=key_path,
            discard_key=discard_key,
        )
    except CohortError as error:
        if verbose:
            raise
        raise InputError(f"{error.public} (--verbose names the file.)") from error
    click.echo(summarize(store))
    if was_there:
        click.echo("It was finished and its inputs are unchanged: nothing was done.")
    click.echo(f"Store: {store_path} (split {store.split_hash[:12]})")
    key = (
        "removed."
        if discard_key
        else f"{key_path or key_path_of(store_path)} (secret; keep it apart)"
    )
    click.echo(f"Key of its pseudonyms: {key}")
