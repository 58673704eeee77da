"""Turns a cohort into a store: decode, de-identify, locate patches, split."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.data.cohort import Cohort, CohortImage
from gastritis_gan.data.image_file import read_image
from gastritis_gan.data.numbered_path import split_number
from gastritis_gan.data.outline import read_outline
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
from gastritis_gan.data.work_folder import PLAN_FILE, work_folder, work_folder_of
from gastritis_gan.errors import InputError
from gastritis_gan.files import (
    read_json,
    refuse_existing,
    sha256_of_file,
    write_bytes,
    write_json,
)
from gastritis_gan.progress import progress_bar

_logger = logging.getLogger(__name__)

_ORDER_STREAM = 2  # streams 0 and 1 of the seed draw the split
_FINISHED_FOLDER = "finished"  # of the work folder: a record per finished image
_STORE_FOLDER = "store"  # of the work folder: what is renamed in the end
_NO_OUTLINE = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Conversion:
    """How every image is converted; knows the folder, so it can run anywhere."""

    folder: Path
    secret: bytes
    geometry: PatchGeometry
    bits: int
    image_size: int | None

    def __call__(self, row: CohortImage, key: str) -> dict[str, Any]:
        """Converts an image unless an earlier run has, and returns its record."""
        inputs = _hash_inputs(row, secret=self.secret)
        record_file = self.folder / _FINISHED_FOLDER / f"{key}.json"
        store = self.folder / _STORE_FOLDER
        image_file = store / IMAGES_FOLDER / f"{key}.npy"
        if record_file.is_file():
            record: dict[str, Any] = read_json(record_file)
            _refuse_changed_files(self.folder, row, record["inputs"], inputs)
            if image_file.is_file() and sha256_of_file(image_file) == record["sha256"]:
                return _with_array(record)
        pixels = read_image(row.image, bits=self.bits)
        self._check_size(row, pixels)
        rows, columns = self._grid(row, pixels)
        counts = np.full(rows.size, _NO_OUTLINE, np.int32)
        if row.outline is not None:
            mask = read_outline(row.outline, shape=pixels.shape, image=row.image)
            counts = self.geometry.count_pixels(mask, rows, columns)
            buffer = io.BytesIO()
            Image.fromarray(mask).save(buffer, "PNG")  # 1 bit per pixel
            write_bytes(store / OUTLINES_FOLDER / f"{key}.png", buffer.getvalue())
        # np.save into a file reports a full disk as no error number.
        buffer = io.BytesIO()
        np.save(buffer, pixels, allow_pickle=False)
        write_bytes(image_file, buffer.getvalue())
        record = {
            "inputs": inputs,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "sha256": hashlib.sha256(buffer.getbuffer()).hexdigest(),
            "pixels_inside": counts.tolist(),
        }
        write_json(record_file, record)  # last: what has a record is finished
        return _with_array(record)

    def _check_size(self, row: CohortImage, pixels: np.ndarray) -> None:
        height, width = pixels.shape
        if self.image_size is not None and {height, width} != {self.image_size}:
            raise InputError(
                f"{row.image}: the image has {height} x {width} pixels (height x "
                f"width), but `cohort.image_size` is {self.image_size}. Leave the "
                "image out, or set the key to null to allow any size."
            )

    def _grid(
        self, row: CohortImage, pixels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.geometry.grid(*pixels.shape)
        except InputError as error:
            raise InputError(f"{row.image}: {error}") from None


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
        "cohort": _hash_cohort(cohort, splits, secret=secret),
    }
    if store_path.exists():
        return _check_store(store_path, rows, plan, secret=secret, workers=workers)
    _refuse_training_without_outline(rows, splits)
    try:
        store_path.parent.mkdir(parents=True, exist_ok=True)
        keep_key(key_path, secret)
        with work_folder(store_path) as folder:
            _begin(folder, plan)
            convert = _Conversion(
                folder=folder,
                secret=secret,
                geometry=geometry,
                bits=bits,
                image_size=image_size,
            )
            keys = [_image_key(row, secret=secret) for row in rows]
            records = _run(convert, rows, keys, workers=workers, description="prepare")
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
            unpublished = folder / _STORE_FOLDER
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


def _with_array(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record whose counts take 4 bytes each; all images' are held."""
    return {**record, "pixels_inside": np.array(record["pixels_inside"], np.int32)}


def _begin(folder: Path, plan: dict[str, Any]) -> None:
    """Makes the work folder's parts, or checks that it was begun with this plan."""
    plan_file = folder / PLAN_FILE
    if plan_file.is_file():
        _refuse_another_plan(folder, read_json(plan_file), plan)
    else:
        write_json(plan_file, plan)
    for name in (IMAGES_FOLDER, OUTLINES_FOLDER):
        (folder / _STORE_FOLDER / name).mkdir(parents=True, exist_ok=True)
        for leftover in (folder / _STORE_FOLDER / name).glob(".*"):
            leftover.unlink()  # half written when an earlier run was killed
    for leftover in (folder / _STORE_FOLDER).glob(".*"):
        leftover.unlink()
    (folder / _FINISHED_FOLDER).mkdir(exist_ok=True)


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
    hash_inputs = functools.partial(_hash_inputs, secret=secret)
    found = _run(hash_inputs, rows, workers=workers, description="compare")
    for row, inputs in zip(rows, found, strict=True):
        recorded = facts["inputs"][_image_key(row, secret=secret)]
        _refuse_changed_files(store_path, row, recorded, inputs)
    leftover = work_folder_of(store_path)
    if (leftover / PLAN_FILE).is_file() and not (leftover / _STORE_FOLDER).exists():
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
        f"cohort file and the config give now. {_way_out(path)}"
    )


def _refuse_changed_files(
    path: Path, row: CohortImage, recorded: dict[str, Any], found: dict[str, Any]
) -> None:
    for name, file in (("image", row.image), ("outline", row.outline)):
        if recorded[name] != found[name]:
            raise InputError(
                f"{file or row.image}: the {name} is not the one that {path} was made "
                f"from. {_way_out(path)}"
            )


def _way_out(path: Path) -> str:
    return (
        "Nothing was changed. Restore the old input, prepare into another path, or "
        f"remove {path} to start again."
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


def _image_key(row: CohortImage, *, secret: bytes) -> str:
    return pseudonym(secret, "image", row.name)


def _hash_cohort(cohort: Cohort, splits: dict[str, str], *, secret: bytes) -> str:
    """Returns a keyed hash of the rows in their order, without what files hold."""
    rows = [
        {
            **{
                field.name: getattr(row, field.name)
                for field in dataclasses.fields(row)
                if field.name not in ("image", "outline")  # hashed by their content
            },
            "split": splits[row.patient],
        }
        for row in cohort.images
    ]
    return pseudonym(secret, "cohort", json.dumps(rows, sort_keys=True, default=str))


def _hash_inputs(row: CohortImage, *, secret: bytes) -> dict[str, str | None]:
    """Returns keyed hashes of the image file and the outline file.

    Keyed, for a plain hash would let anyone who has a file find it in the store.
    """
    return {
        "image": _hash_file(row.image, "image", secret=secret),
        "outline": None
        if row.outline is None
        else _hash_file(row.outline, "outline", secret=secret),
    }


def _hash_file(path: Path, domain: str, *, secret: bytes) -> str:
    file, part = split_number(path)
    try:
        return pseudonym(secret, domain, f"{sha256_of_file(file)}#{part}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None


def _run(
    function: Callable[..., dict[str, Any]],
    *arguments: list[Any],
    workers: int,
    description: str,
) -> list[dict[str, Any]]:
    """Returns the function of every image, in order, with a progress bar."""
    bar = progress_bar(total=len(arguments[0]), description=description, unit="image")
    with bar, _mapper(min(workers, len(arguments[0]))) as run:
        results = []
        for result in run(function, *arguments):
            results.append(result)
            bar.update()
        return results


@contextlib.contextmanager
def _mapper(workers: int) -> Iterator:
    """Yields a `map` that runs in `workers` processes."""
    if workers == 1:
        yield map
        return
    # Spawned: a fork would copy the threads of whatever the caller has imported.
    executor = concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with_the_parent,
    )
    try:
        yield executor.map
    except BrokenProcessPool:
        raise InputError(
            "a worker process ended unexpectedly, most likely for want of memory; try "
            "fewer workers."
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _end_with_the_parent() -> None:
    """Ends this worker when its parent is killed; it would wait for work forever."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


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
