"""Turns a cohort into a store: decode, de-identify, locate patches, split."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.cohort.cohort import Cohort, CohortImage, file_error, naming_row
from gastritis_gan.errors import InputError
from gastritis_gan.storage import (
    PLAN_FILE,
    read_json,
    refuse_existing,
    work_folder,
    work_folder_of,
    write_json,
)
from gastritis_gan.store.image_conversion import ImageConversion
from gastritis_gan.store.input_hashes import (
    hash_cohort,
    hash_inputs,
    refuse_changed_files,
    way_out,
)
from gastritis_gan.store.parallel import run_on_images
from gastritis_gan.store.pseudonym import (
    keep_key,
    key_path_of,
    load_or_make_key,
    pseudonym,
)
from gastritis_gan.store.store import (
    FACTS_FILE,
    FINISHED_FOLDER,
    FORMAT,
    FORMAT_VERSION,
    IMAGES_FOLDER,
    OUTLINES_FOLDER,
    STORE_FOLDER,
    Store,
    StoredImage,
)
from gastritis_gan.store.store_settings import StoreSettings
from gastritis_gan.store.store_writer import write_facts, write_patches

_logger = logging.getLogger(__name__)

_OLDEST_WITH_COMPARABLE_INPUTS = 3
_ORDER_STREAM = 2  # streams 0 and 1 of the seed draw the split
_FACTS_OF_A_RECORD = ("height", "width", "sha256", "size_change", "burned_in")


def prepare_store(
    cohort: Cohort,
    splits: dict[str, str],
    store_path: Path,
    *,
    settings: StoreSettings,
    workers: int,
    discard_key: bool = False,
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
        splits: "train", "validation" or "test" for every patient.
        store_path: The folder of the store.
        settings: How images become a store.
        workers: Number of processes; 1 works in this one.
        discard_key: Remove the key once the store is finished: nobody, not even the
            hospital, can then tell which pseudonym is whose.

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
    order = np.random.Generator(np.random.Philox(key=[settings.seed, _ORDER_STREAM]))
    rows = [cohort.images[i] for i in order.permutation(len(cohort.images))]
    plan = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "positive": cohort.positive,
        "negative": cohort.negative,
        **settings.facts(),
        "cohort": hash_cohort(cohort, splits, secret=secret),
    }
    if store_path.exists():
        store = _check_store(store_path, rows, plan, secret=secret, workers=workers)
        _finish(store, rows, key_path=key_path if discard_key else None)
        return store
    _refuse_training_without_outline(rows, splits)
    try:
        store_path.parent.mkdir(parents=True, exist_ok=True)
        keep_key(key_path, secret)
        with work_folder(store_path) as folder:
            _begin(folder, plan)
            convert = ImageConversion(folder=folder, secret=secret, settings=settings)
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
                    **{name: record[name] for name in _FACTS_OF_A_RECORD},
                )
                for key, row, record in zip(keys, rows, records, strict=True)
            ]
            unpublished = folder / STORE_FOLDER
            write_patches(unpublished, records, settings.geometry)
            write_facts(unpublished, plan, images, records)
            refuse_existing(store_path)
            unpublished.rename(store_path)
    except Exception:
        if not had_key and not store_path.exists():
            key_path.unlink(missing_ok=True)
        raise
    store = Store.open(store_path)
    _finish(store, rows, key_path=key_path if discard_key else None)
    return store


def _finish(store: Store, rows: list[CohortImage], *, key_path: Path | None) -> None:
    """Says what a person should look at, and removes the key that is to be removed."""
    _warn_of_images_without_inside_patch(store, rows)
    _warn_of_burned_in_text(store, rows)
    if key_path is not None:
        key_path.unlink(missing_ok=True)


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
    version = facts["format_version"]
    if version < _OLDEST_WITH_COMPARABLE_INPUTS:
        refuse_existing(store_path)
    _refuse_another_plan(store_path, facts, plan | {"format_version": version})
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
        if row.outline is None and splits[row.patient] != "test":
            with naming_row(row.row, "outline"):
                raise file_error(
                    row.image,
                    "has no outline but is drawn for training, which needs to know "
                    "what lies inside the organ. Add an outline; only test images can "
                    "go without.",
                )


def _warn_of_images_without_inside_patch(store: Store, rows: list[CohortImage]) -> None:
    found = [
        row.row
        for index, row in enumerate(rows)
        if not np.isnan(
            store.patch_coverage[store.patches_of_image(index, inside_only=False)]
        ).any()
        and store.patches_of_image(index, inside_only=True).size == 0
    ]
    if found:
        _logger.warning(
            "%d of %d images have no patch inside the organ; a smaller "
            "`patches.patch_size` or `patches.inside_coverage` would give them some. "
            "Rows of the cohort file: %s",
            len(found),
            len(rows),
            _ranges(sorted(found)),
        )


def _warn_of_burned_in_text(store: Store, rows: list[CohortImage]) -> None:
    """Names the rows of images whose pixels may name the patient."""
    for stated, why in (
        ("yes", "say that text is burned into the pixels"),
        ("not stated", "do not say whether text is burned into the pixels"),
    ):
        found = [
            row.row
            for row, image in zip(rows, store.images, strict=True)
            if image.burned_in == stated
        ]
        if found:
            _logger.warning(
                "%d of %d images %s ((0028,0301) BurnedInAnnotation): look at them "
                "(`gastritis-gan inspect`); `patches.exclude_border_px` leaves "
                "text-like borders out. Rows of the cohort file: %s",
                len(found),
                len(rows),
                why,
                _ranges(sorted(found)),
            )


def _ranges(numbers: list[int]) -> str:
    """Returns ascending numbers as in "2, 5-9"."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and groups[-1][-1] == number - 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups)
