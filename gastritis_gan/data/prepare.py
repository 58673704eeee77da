"""Turns a cohort into a store: decode, de-identify, locate patches, split."""

from __future__ import annotations

import dataclasses
import functools
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.data.cohort import Cohort, CohortImage
from gastritis_gan.data.image_conversion import ImageConversion
from gastritis_gan.data.input_hashes import (
    hash_cohort,
    hash_inputs,
    refuse_changed_files,
    way_out,
)
from gastritis_gan.data.parallel import run_on_images
from gastritis_gan.data.patches import PatchGeometry
from gastritis_gan.data.pseudonym import (
    keep_key,
    key_path_of,
    load_or_make_key,
    pseudonym,
)
from gastritis_gan.data.split import hash_split
from gastritis_gan.data.store import (
    FACTS_FILE,
    FORMAT,
    FORMAT_VERSION,
    IMAGES_FOLDER,
    OUTLINES_FOLDER,
    PATCHES_FILE,
    Store,
    StoredImage,
)
from gastritis_gan.data.work_folder import (
    FINISHED_FOLDER,
    PLAN_FILE,
    STORE_FOLDER,
    work_folder,
    work_folder_of,
)
from gastritis_gan.errors import InputError
from gastritis_gan.files import read_json, refuse_existing, write_bytes, write_json

_logger = logging.getLogger(__name__)

_ORDER_STREAM = 2  # streams 0 and 1 of the seed draw the split


def prepare_store(  # noqa: PLR0913 - one argument per setting of the store
    cohort: Cohort,
    splits: dict[str, str],
    store_path: Path,
    *,
    geometry: PatchGeometry,
    bits: int,
    seed: int,
    workers: int,
    image_size: int | None = None,
) -> Store:
    """Makes a cohort's store, or checks that a store is the cohort's.

    The store appears when it is whole. Until then it grows in `<store>.partial`; after
    a kill the same call goes on from there, and the store is byte for byte the one that
    an uninterrupted call makes. A call for a finished store reads the inputs, compares
    their hashes with the store's, and changes nothing.

    The pseudonyms' key lies beside the store in `<store>.key`; a key that is there
    already is used again. No name, path or DICOM attribute of the cohort enters the
    store.

    Args:
        cohort: The checked cohort.
        splits: "train" or "test" for every patient.
        store_path: The folder of the store.
        geometry: Which windows are patches.
        bits: 8 or 16 bits per stored pixel.
        seed: Seed of the order in which the store lists its images.
        workers: Number of processes; 1 works in this one.
        image_size: Height and width that every image must have; None allows any.

    Raises:
        InputError: A file of the cohort cannot be used; the path is taken by something
            else; or the images, outlines, cohort or config are not those that the
            store, or an unfinished one, was begun with.
    """
    key_path = key_path_of(store_path)
    had_key = key_path.exists()
    if store_path.exists() and not (had_key and (store_path / FACTS_FILE).is_file()):
        refuse_existing(store_path)  # nobody can tell whether it is this cohort's
    if not had_key and (work_folder_of(store_path) / PLAN_FILE).exists():
        raise InputError(
            f"{work_folder_of(store_path)} is unfinished work whose key {key_path} is "
            "missing. Restore the key, or remove the folder to start again."
        )
    secret = load_or_make_key(key_path)
    # Neither the cohort's order, which may follow names, nor the pseudonyms', which
    # would make a training run depend on the secret key.
    order = np.random.Generator(np.random.Philox(key=[seed, _ORDER_STREAM]))
    rows = [cohort.images[i] for i in order.permutation(len(cohort.images))]
    plan = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "positive": cohort.positive,
        "negative": cohort.negative,
        "bits": bits,
        "image_size": image_size,
        "patches": dataclasses.asdict(geometry),
        "seed": seed,
        "cohort": hash_cohort(cohort, splits, secret=secret),
    }
    if store_path.exists():
        return _check_store(store_path, rows, plan, secret=secret, workers=workers)
    _refuse_training_without_outline(rows, splits)
    try:
        store_path.parent.mkdir(parents=True, exist_ok=True)
        keep_key(key_path, secret)
        with work_folder(store_path) as folder:
            _begin(folder, plan)
            convert = ImageConversion(
                folder=folder,
                secret=secret,
                geometry=geometry,
                bits=bits,
                image_size=image_size,
            )
            keys = [_image_key(row, secret=secret) for row in rows]
            records = run_on_images(
                convert, rows, keys, workers=workers, description="prepare"
            )
            images = [
                StoredImage(
                    key=key,
                    patient=pseudonym(secret, "patient", row.patient),
                    label=row.label,
                    split=splits[row.patient],
                    height=record["height"],
                    width=record["width"],
                    sha256=record["sha256"],
                )
                for key, row, record in zip(keys, rows, records, strict=True)
            ]
            unpublished = folder / STORE_FOLDER
            _write_patches(unpublished / PATCHES_FILE, records, geometry)
            _write_facts(unpublished / FACTS_FILE, plan, images, records)
            refuse_existing(store_path)
            unpublished.rename(store_path)
    except Exception:
        if not had_key and not store_path.exists():
            key_path.unlink(missing_ok=True)
        raise
    store = Store.open(store_path)
    _warn_of_images_without_inside_patch(store)
    return store


def _image_key(row: CohortImage, *, secret: bytes) -> str:
    return pseudonym(secret, "image", row.name)


def _begin(folder: Path, plan: dict[str, Any]) -> None:
    """Makes the work folder's parts, or checks that it was begun with this plan."""
    plan_file = folder / PLAN_FILE
    if plan_file.is_file():
        _refuse_another_plan(folder, read_json(plan_file), plan)
    else:
        write_json(plan_file, plan)
    for name in (IMAGES_FOLDER, OUTLINES_FOLDER):
        (folder / STORE_FOLDER / name).mkdir(parents=True, exist_ok=True)
        for leftover in (folder / STORE_FOLDER / name).glob(".*"):
            leftover.unlink()  # half written when an earlier run was killed
    for leftover in (folder / STORE_FOLDER).glob(".*"):
        leftover.unlink()
    (folder / FINISHED_FOLDER).mkdir(exist_ok=True)


def _check_store(
    store_path: Path,
    rows: list[CohortImage],
    plan: dict[str, Any],
    *,
    secret: bytes,
    workers: int,
) -> Store:
    """Opens a finished store after checking that its inputs are those given."""
    store = Store.open(store_path)
    facts = read_json(store_path / FACTS_FILE)
    if facts["format_version"] != FORMAT_VERSION:
        refuse_existing(store_path)  # it has no hashes of its inputs
    _refuse_another_plan(store_path, facts, plan)
    compare = functools.partial(hash_inputs, secret=secret)
    found = run_on_images(compare, rows, workers=workers, description="compare")
    for row, inputs in zip(rows, found, strict=True):
        recorded = facts["inputs"][_image_key(row, secret=secret)]
        refuse_changed_files(store_path, row, recorded, inputs)
    leftover = work_folder_of(store_path)
    if (leftover / PLAN_FILE).is_file() and not (leftover / STORE_FOLDER).exists():
        with work_folder(store_path):
            pass  # killed between the rename and the end: only records are left
    return store


def _refuse_another_plan(
    path: Path, recorded: dict[str, Any], plan: dict[str, Any]
) -> None:
    changed = [key for key, value in plan.items() if recorded.get(key) != value]
    if not changed:
        return
    what = {
        "cohort": "other images, patients, labels or split",
        "format_version": "another version of the program",
    }
    names = [what.get(key, f"another `{key}`") for key in changed]
    raise InputError(
        f"{path} exists already and was begun with {' and '.join(names)} than the "
        f"cohort file and the config give now. {way_out(path)}"
    )


def _refuse_training_without_outline(
    rows: list[CohortImage], splits: dict[str, str]
) -> None:
    for row in rows:
        if row.outline is None and splits[row.patient] == "train":
            raise InputError(
                f"{row.image}: has no outline but is drawn for training, which needs "
                "to know what lies inside the organ. Add an outline; only test images "
                "can go without."
            )


def _write_facts(
    path: Path,
    plan: dict[str, Any],
    images: list[StoredImage],
    records: list[dict[str, Any]],
) -> None:
    split_hash = hash_split((i.key, i.sha256, i.label, i.split) for i in images)
    pairs = zip(images, records, strict=True)
    facts = {
        **plan,
        "split_hash": split_hash,
        "images": [dataclasses.asdict(image) for image in images],
        "inputs": {image.key: record["inputs"] for image, record in pairs},
    }
    write_json(path, facts)


def _write_patches(
    path: Path, records: list[dict[str, Any]], geometry: PatchGeometry
) -> None:
    grids = [geometry.grid(record["height"], record["width"]) for record in records]
    sizes = [rows.size for rows, _ in grids]
    buffer = io.BytesIO()
    np.savez(
        buffer,
        image=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        row=np.concatenate([rows for rows, _ in grids]),
        column=np.concatenate([columns for _, columns in grids]),
        pixels_inside=np.concatenate([record["pixels_inside"] for record in records]),
    )
    write_bytes(path, buffer.getvalue())


def _warn_of_images_without_inside_patch(store: Store) -> None:
    keys = [
        image.key
        for index, image in enumerate(store.images)
        if not np.isnan(
            store.patch_coverage[store.patches_of_image(index, inside_only=False)]
        ).any()
        and store.patches_of_image(index, inside_only=True).size == 0
    ]
    if keys:
        _logger.warning(
            "%d of %d images have no patch inside the organ; a smaller "
            "`patches.patch_size` or `patches.inside_coverage` would give them some: "
            "%s",
            len(keys),
            len(store.images),
            ", ".join(keys),
        )
