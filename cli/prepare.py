"""`gastritis-gan prepare`: a cohort becomes a store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gastritis_gan.data.store import Store


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
def prepare(
    cohort: Path, config_path: Path, store_path: Path, workers: int | None
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
    CSV and config are still the same.

    \b
    Example:
      gastritis-gan prepare cohorts/phantom --config configs/phantom.yaml \\
        --out stores/phantom
    """
    from gastritis_gan.config import load_config
    from gastritis_gan.data.cohort import read_cohort
    from gastritis_gan.data.duplicates import find_duplicates
    from gastritis_gan.data.prepare import prepare_store
    from gastritis_gan.data.pseudonym import key_path_of
    from gastritis_gan.data.split import split_patients

    was_there = store_path.exists()
    config = load_config(config_path)
    checked = read_cohort(
        cohort, positive=config.cohort.positive, negative=config.cohort.negative
    )
    splits = split_patients(
        ((image.patient, image.label) for image in checked.images),
        train_positive_patients=config.split.train_positive_patients,
        train_negative_patients=config.split.train_negative_patients,
        seed=config.split.seed,
    )
    store = prepare_store(
        checked,
        splits,
        store_path,
        geometry=config.patches,
        bits=config.cohort.bits,
        seed=config.split.seed,
        workers=workers or os.cpu_count() or 1,
        image_size=config.cohort.image_size,
    )
    click.echo(_summary(store))
    for duplicate in find_duplicates(store):
        click.echo(f"Warning: the images {duplicate}.", err=True)
    if was_there:
        click.echo("It was finished and its inputs are unchanged: nothing was done.")
    click.echo(f"Store: {store_path} (split {store.split_hash[:12]})")
    click.echo(
        f"Key of its pseudonyms: {key_path_of(store_path)} (secret; keep it apart)"
    )


def _summary(store: Store) -> str:
    """Returns a table of what each patch set and split holds."""
    from gastritis_gan.data.store import PATCH_SETS, SPLITS

    names = {"positive": store.positive, "negative": store.negative}
    width = max(len(name) for name in (*names.values(), "patch set"))
    lines = [f"{'patch set':{width}}  split  patients  images    patches"]
    for patch_set in PATCH_SETS:
        for split in SPLITS:
            images = [
                image
                for image in store.images
                if image.split == split and patch_set in ("outside", image.label)
            ]
            patients = {image.patient for image in images}
            lines.append(
                f"{names.get(patch_set, patch_set):{width}}  {split:5}  "
                f"{len(patients):8,}  {len(images):6,}  "
                f"{store.patch_set(patch_set, split).size:9,}"
            )
    return "\n".join(lines)
