"""`gastritis-gan prepare`: a cohort becomes a store."""

from __future__ import annotations

import collections
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gastritis_gan.errors import InputError

if TYPE_CHECKING:
    from gastritis_gan.store.store import Store


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="The experiment file; its keys `cohort`, `patches` and `split` are used.",
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
@click.option(
    "--discard-key",
    is_flag=True,
    help="Remove the key of the pseudonyms once the store is finished.",
)
@click.option(
    "--verbose",
    is_flag=True,
    help="Let error messages name files and quote them: for the hospital's eyes.",
)
def prepare(
    cohort: Path,
    config_path: Path,
    store_path: Path,
    workers: int | None,
    window: str | None,
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
    from a secret key that is written beside it (STORE.key): keep it inside the
    hospital, or delete it; without it a finished store cannot be compared with its
    cohort again.

    The store grows in STORE.partial and appears when it is whole. After an interruption
    the same command goes on; on a finished store it only checks that images, outlines,
    CSV and config are still the same. Neither what it prints nor its error messages
    hold a name of the cohort, unless --verbose asks for it: they name the row.

    \b
    Example:
      gastritis-gan prepare cohorts/phantom --config configs/phantom.yaml \\
        --out stores/phantom
    """
    from gastritis_gan.cohort.cohort import CohortError
    from gastritis_gan.store.duplicates import find_duplicates
    from gastritis_gan.store.pseudonym import key_path_of

    was_there = store_path.exists()
    try:
        store = _prepare(
            cohort,
            config_path,
            store_path,
            workers=workers or os.cpu_count() or 1,
            window=int(window) if window and window.isdecimal() else window,
            discard_key=discard_key,
        )
    except CohortError as error:
        if verbose:
            raise
        raise InputError(f"{error.public} (--verbose names the file.)") from error
    click.echo(_summary(store))
    for duplicate in find_duplicates(store):
        click.echo(f"Warning: the images {duplicate}.", err=True)
    if was_there:
        click.echo("It was finished and its inputs are unchanged: nothing was done.")
    click.echo(f"Store: {store_path} (split {store.split_hash[:12]})")
    if discard_key:
        click.echo("Key of its pseudonyms: removed.")
    else:
        click.echo(
            f"Key of its pseudonyms: {key_path_of(store_path)} (secret; keep it apart)"
        )


def _prepare(
    cohort: Path,
    config_path: Path,
    store_path: Path,
    *,
    workers: int,
    window: int | str | None,
    discard_key: bool,
) -> Store:
    from gastritis_gan.cohort.cohort import read_cohort
    from gastritis_gan.cohort.size_rule import SizeRule
    from gastritis_gan.config import load_config
    from gastritis_gan.store.prepare import prepare_store
    from gastritis_gan.store.split import split_patients
    from gastritis_gan.store.store_settings import StoreSettings

    config = load_config(config_path)
    checked = read_cohort(
        cohort, positive=config.cohort.positive, negative=config.cohort.negative
    )
    splits = split_patients(
        ((image.patient, image.label) for image in checked.images),
        train_positive_patients=config.split.train_positive_patients,
        train_negative_patients=config.split.train_negative_patients,
        validation_positive_patients=config.split.validation_positive_patients,
        validation_negative_patients=config.split.validation_negative_patients,
        seed=config.split.seed,
    )
    return prepare_store(
        checked,
        splits,
        store_path,
        settings=StoreSettings(
            geometry=config.patches,
            bits=config.cohort.bits,
            window=window,
            size_rule=SizeRule(
                image_size=config.cohort.image_size,
                other_sizes=config.cohort.other_sizes,
                pixel_spacing_mm=config.cohort.pixel_spacing_mm,
            ),
            seed=config.split.seed,
        ),
        workers=workers,
        discard_key=discard_key,
    )


def _summary(store: Store) -> str:
    """Returns a table of what each patch set and split holds."""
    from gastritis_gan.store.patch_counts import count_sets

    width = max(map(len, (store.positive, store.negative, "patch set")))
    sides = max(map(len, store.splits))
    lines = [f"{'patch set':{width}}  {'split':{sides}}  patients  images    patches"]
    lines += [
        f"{row['class']:{width}}  {row['split']:{sides}}  {row['patients']:8,}  "
        f"{row['images']:6,}  {row['patches']:9,}"
        for row in count_sets(store)
    ]
    changes = collections.Counter(image.size_change for image in store.images)
    lines += [
        f"{changes[kind]:,} images were {kind}, as `cohort.other_sizes` says."
        for kind in ("padded", "rescaled")
        if changes[kind]
    ]
    if store.geometry.exclude_border_px:
        lines.append(
            f"{int(store.patch_excluded.sum()):,} outside patches were left out for "
            "text-like structure in the border (`patches.exclude_border_px`)."
        )
    return "\n".join(lines)
