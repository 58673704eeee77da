"""Turns a cohort into a store: decode, de-identify, locate patches, split."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import functools
import hashlib
import io
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.cohort.cohort import (
    CohortError,
    CohortImage,
    file_error,
    naming_row,
    read_cohort,
    row_ranges,
)
from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.errors import InputError
from gastritis_gan.storage import (
    PLAN_FILE,
    make_folder,
    read_json,
    refuse_existing,
    remove_empty,
    work_folder,
    work_folder_of,
    write_bytes,
    write_json,
)
from gastritis_gan.store.burned_in_text import load_detector, verdict_on
from gastritis_gan.store.conversion import (
    FINISHED_FOLDER,
    STORE_FOLDER,
    ImageConversion,
    run_on_images,
)
from gastritis_gan.store.duplicates import find_duplicates
from gastritis_gan.store.inspect import images_of_notes
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.pixels import write_hashes
from gastritis_gan.store.pseudonym import (
    hash_cohort,
    hash_inputs,
    keep_key,
    key_path_of,
    load_or_make_key,
    pseudonym,
    refuse_changed_files,
    split_mark,
    way_out,
)
from gastritis_gan.store.split import SplitConfig, assign_splits, hash_split
from gastritis_gan.store.store import (
    HASHES_FILE,
    IMAGES_FOLDER,
    OUTLINES_FOLDER,
    PATCHES_FILE,
    STORE_FILE,
    STORE_FORMAT,
    Store,
    StoredImage,
)

_logger = logging.getLogger(__name__)

_NAMED_DUPLICATES = 20
_METADATA_OF_A_RECORD = (
    "height",
    "width",
    "sha256",
    "size_change",
    "burned_in",
    "notes",
)


def prepare_cohort(  # noqa: PLR0913 - a section of the config each
    cohort: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    settings: CohortConfig,
    geometry: PatchGeometry,
    split: SplitConfig,
    workers: int | None = None,
    window: int | str | None = None,
    key: str | os.PathLike[str] | None = None,
    discard_key: bool = False,
) -> Store:
    """Makes a cohort's store, or checks that a store is the cohort's.

    The store appears when it is whole. Until then it grows in `<store>.partial`; after
    a kill the same call resumes there, and the store is byte for byte the one that an
    uninterrupted call makes. A call for a finished store reads the inputs, compares
    their hashes with the store's, and changes nothing.

    The pseudonyms' key has a file of its own; a key that is there already is used
    again. No name, path or DICOM attribute of the cohort enters the store, and nothing
    in it depends on chance or on the key but the pseudonyms. Store and key are private.

    Args:
        cohort: `cohort.csv`, or the folder that holds it.
        out: The folder of the store.
        settings: Names of the classes, depth and size of the stored images.
        geometry: Which windows are patches.
        split: How many patients train, and the seed that assigns them.
        workers: Number of processes, 1 works in this one. None: the number of CPU
            cores.
        window: Number, from 1, or explanation of the window in DICOM files. None: the
            first.
        key: File of the pseudonyms' key; by default `<store>.key` beside the
            store.
        discard_key: Remove the key once the store is finished: nobody, not even the
            hospital, can then find out which pseudonym is whose.

    Returns:
        The store. Rows whose images a person should look at are logged as warnings.

    Raises:
        InputError: A file of the cohort cannot be used; the path is taken by something
            else; or the images, outlines, cohort or config are not those that the
            store, or an unfinished one, was begun with.
    """
    found = read_cohort(
        Path(cohort), positive=settings.positive, negative=settings.negative
    )
    images = found.images
    splits = assign_splits(images, split)
    store_path = Path(out)
    key_path = Path(key) if key else key_path_of(store_path)
    had_key = key_path.exists()
    if store_path.exists() and not (had_key and (store_path / STORE_FILE).is_file()):
        refuse_existing(store_path)  # it may be another cohort's
    if not had_key and (work_folder_of(store_path) / PLAN_FILE).exists():
        raise InputError(
            f"{work_folder_of(store_path)} is unfinished work whose key {key_path} is "
            "missing. Restore the key, or remove the folder to start again."
        )
    secret = load_or_make_key(key_path)
    # In the order of the pseudonyms, for that of the cohort may follow names: neither
    # the list of the images nor the times of their files show it.
    row_of = {pseudonym(secret, "image", row.name): row for row in images}
    rows = dict(sorted(row_of.items()))
    plan = {
        **STORE_FORMAT.head(),
        "window": window,
        **dataclasses.asdict(settings),
        "patches": dataclasses.asdict(geometry),
        "cohort": hash_cohort(images, splits, secret=secret),
    }
    workers = workers or os.cpu_count() or 1
    if store_path.exists():
        store = _check_store(store_path, rows, plan, secret=secret, workers=workers)
    else:
        _refuse_training_without_outline(images, splits)
        if geometry.exclude_text:
            load_detector()
        made = make_folder(store_path.parent)
        if not key_path.parent.exists():
            made.insert(0, key_path.parent)
        try:
            keep_key(key_path, secret)
            convert = ImageConversion(
                folder=work_folder_of(store_path),
                secret=secret,
                settings=settings,
                geometry=geometry,
                window=window,
            )
            _make_store(store_path, rows, splits, plan, convert, workers=workers)
        except Exception:
            if not had_key and not store_path.exists():
                with contextlib.suppress(OSError):  # also where nothing can be written
                    key_path.unlink()
            remove_empty(made)
            raise
        store = Store.open(store_path)
    for note in found.notes:
        _logger.warning(note)
    _warn(store, rows)
    if discard_key:
        key_path.unlink(missing_ok=True)
        remove_empty([key_path.parent])
    return store


def _make_store(
    store_path: Path,
    rows: dict[str, CohortImage],
    splits: dict[str, str],
    plan: dict[str, Any],
    convert: ImageConversion,
    *,
    workers: int,
) -> None:
    """Converts the images that are not finished, and publishes the store."""
    with work_folder(store_path) as folder:
        _begin(folder, plan)
        records = run_on_images(convert, rows, workers=workers, description="prepare")
        images = [
            StoredImage(
                key=key,
                patient=pseudonym(convert.secret, "patient", row.patient),
                label=row.label,
                split=splits[row.patient],
                **{name: records[key][name] for name in _METADATA_OF_A_RECORD},
            )
            for key, row in rows.items()
        ]
        _refuse_two_labels(images, rows)
        synthetic = [r for k, r in rows.items() if records[k].get("is_synthetic")]
        _refuse_partly_synthetic(synthetic, num_images=len(rows))
        unpublished = folder / STORE_FOLDER
        split_hash = hash_split((i.patient, i.sha256, i.label, i.split) for i in images)
        facts = {
            "is_synthetic": bool(synthetic),
            "split_given": any(row.split for row in rows.values()),
            "split_hash": split_hash,
            "split_mark": split_mark(convert.secret, split_hash),
        }
        _write_tables(unpublished, plan | facts, images, records)
        refuse_existing(store_path)
        unpublished.rename(store_path)


def _write_tables(
    folder: Path,
    plan: dict[str, Any],
    images: list[StoredImage],
    records: dict[str, dict[str, Any]],
) -> None:
    """Writes all files of a store but the images and the outlines.

    Args:
        folder: The store.
        plan: The settings, the keyed hash of the cohort, and facts about it.
        images: The images in the order of their keys.
        records: By key what their conversion has returned.
    """
    order = _order_by_content(images, records)
    write_hashes(folder / HASHES_FILE, ((i.sha256, i.key) for i in order))
    geometry = PatchGeometry(**plan["patches"])
    _write_patches(folder, [records[image.key] for image in order], geometry)
    metadata = [dataclasses.asdict(image) for image in images]
    for image in metadata:
        del image["sha256"]  # lies beside the images, not in what describes them
    store = {
        **plan,
        "images": metadata,
        "inputs": {key: record["inputs"] for key, record in records.items()},
    }
    write_json(folder / STORE_FILE, store)


def _order_by_content(
    images: list[StoredImage], records: dict[str, dict[str, Any]]
) -> list[StoredImage]:
    """Returns the images in the order of the hashes of their pixels.

    Equal images follow their label, their split and their patches, then the other
    images of their patient: where pseudonyms decide, the images and the patients are
    alike in everything, and another key gives the same patches.
    """
    content_of = {}
    images_of: dict[str, list[tuple[str, ...]]] = {}
    for image in images:
        counts = hashlib.sha256(records[image.key]["pixels_inside"]).hexdigest()
        content = (image.sha256, image.label, image.split, counts)
        content_of[image.key] = content
        bisect.insort(images_of.setdefault(image.patient, []), content)
    return sorted(
        images,
        key=lambda image: (
            content_of[image.key],
            images_of[image.patient],
            image.patient,
            image.key,
        ),
    )


def _write_patches(
    folder: Path, records: list[dict[str, Any]], geometry: PatchGeometry
) -> None:
    grids = [geometry.grid(record["height"], record["width"]) for record in records]
    sizes = [rows.size for rows, _ in grids]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        image=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        row=np.concatenate([rows for rows, _ in grids]),
        column=np.concatenate([columns for _, columns in grids]),
        pixels_inside=np.concatenate([record["pixels_inside"] for record in records]),
        text_boxes=np.concatenate(
            [
                np.insert(record["text_boxes"], 0, position, axis=1)
                for position, record in enumerate(records)
            ]
        ),
    )
    write_bytes(folder / PATCHES_FILE, buffer.getvalue())


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
    rows: dict[str, CohortImage],
    plan: dict[str, Any],
    *,
    secret: bytes,
    workers: int,
) -> Store:
    """Opens a finished store after checking that its inputs are those given."""
    store = Store.open(store_path)
    store.check_key(secret)
    metadata = STORE_FORMAT.read(store_path / STORE_FILE)
    _refuse_another_plan(store_path, metadata, plan)
    hash_row = functools.partial(_hash_row, secret=secret)
    found = run_on_images(hash_row, rows, workers=workers, description="compare")
    for key, row in sorted(rows.items(), key=lambda item: item[1].row):
        refuse_changed_files(store_path, row, metadata["inputs"][key], found[key])
    leftover = work_folder_of(store_path)
    if (leftover / PLAN_FILE).is_file() and not (leftover / STORE_FOLDER).exists():
        with work_folder(store_path):
            pass  # killed between the rename and the end: only records are left
    return store


def _hash_row(row: CohortImage, key: str, *, secret: bytes) -> dict[str, Any]:
    return hash_inputs(row, secret=secret)


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
    images: Iterable[CohortImage], splits: dict[str, str]
) -> None:
    for row in images:
        if row.outline is None and splits[row.patient] != "test":
            with naming_row(row.row, "outline"):
                raise file_error(
                    row.image,
                    "has no outline but is assigned to training, which needs to know "
                    "what lies inside the organ. Add an outline; only test images can "
                    "go without.",
                )


def _refuse_two_labels(
    images: Iterable[StoredImage], rows: dict[str, CohortImage]
) -> None:
    """Refuses an image that would teach, or test, both classes."""
    copies: dict[str, list[StoredImage]] = {}
    for image in images:
        copies.setdefault(image.sha256, []).append(image)
    groups = sorted(
        sorted(rows[image.key].row for image in found)
        for found in copies.values()
        if len({image.label for image in found}) > 1
    )
    if groups:
        problem = (
            f"rows {'; '.join(map(row_ranges, groups))} of the cohort file are the "
            "same image, pixel by pixel, under two labels; keep the row whose label is "
            "right."
        )
        first = next(row for row in rows.values() if row.row == groups[0][0])
        raise CohortError(f"{first.image}: {problem}", problem)


def _refuse_partly_synthetic(
    synthetic: Sequence[CohortImage], *, num_images: int
) -> None:
    """Refuses a cohort in which samples would count as patients."""
    if 0 < len(synthetic) < num_images:
        problem = (
            f"{len(synthetic)} of {num_images} images state that they are synthetic "
            "((0008,001C) SyntheticData, or trainedAlgorithmicMedia in XMP), and the "
            "others do not; take them out. Rows of the cohort file: "
            f"{row_ranges(row.row for row in synthetic)}"
        )
        names = ", ".join(sorted(row.name for row in synthetic))
        raise CohortError(f"{problem} ({names}).", f"{problem}.")


def _warn(store: Store, rows: dict[str, CohortImage]) -> None:
    """Names what a person should look at, by the rows of the cohort file."""

    def warn_of(found: list[int], problem: str) -> None:
        if found:
            _logger.warning(
                "%d of %d images %s Rows of the cohort file: %s",
                len(found),
                len(rows),
                problem,
                row_ranges(found),
            )

    warn_of(
        [
            rows[image.key].row
            for index, image in enumerate(store.images)
            if not np.isnan(
                store.patch_coverage[store.patches_of_image(index, inside_only=False)]
            ).any()
            and store.patches_of_image(index, inside_only=True).size == 0
        ],
        "have no patch inside the organ; a smaller `patches.patch_size` or "
        "`patches.inside_coverage` would give them some.",
    )
    warn_of(
        [row.row for row in rows.values() if row.outline is None],
        "have no outline: none of their patches belongs to a patch set.",
    )
    for stated, why in (
        ("yes", "state that text is burned into the pixels"),
        ("not stated", "do not state whether text is burned into the pixels"),
    ):
        warn_of(
            [rows[i.key].row for i in store.images if i.burned_in == stated],
            f"{why} ((0028,0301) BurnedInAnnotation): look at them (`gastritis-gan "
            "inspect`); `patches.exclude_text` leaves patches over text out.",
        )
    warn_of(
        [
            rows[image.key].row
            for index, image in enumerate(store.images)
            if verdict_on(store.text_boxes(index)) == "text"
        ],
        "have text in the pixels; the patches over it are left out.",
    )
    for note, images in images_of_notes(store).items():
        warn_of([rows[image.key].row for image in images], note)
    duplicates = find_duplicates(store)
    for duplicate in duplicates[:_NAMED_DUPLICATES]:
        _logger.warning(
            "The images of rows %s of the cohort file %s.",
            row_ranges(rows[key].row for key in (duplicate.first, duplicate.second)),
            duplicate.problem,
        )
    if len(duplicates) > _NAMED_DUPLICATES:
        _logger.warning(
            "There are %d more pairs; `gastritis-gan inspect` lists them.",
            len(duplicates) - _NAMED_DUPLICATES,
        )
