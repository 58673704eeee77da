"""Turns a cohort into a store: decode, de-identify, locate patches, split."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import io
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from gastritis_gan.data.cohort import Cohort, CohortImage
from gastritis_gan.data.image_file import read_image
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
    PATCHES_FILE,
    Store,
    StoredImage,
)
from gastritis_gan.errors import InputError
from gastritis_gan.files import new_folder, write_bytes, write_json
from gastritis_gan.progress import progress_bar

_logger = logging.getLogger(__name__)

_ORDER_STREAM = 2  # streams 0 and 1 of the seed draw the split


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Converted:
    """What a worker found out about one image; the pixels are in its file."""

    height: int
    width: int
    sha256: str
    patches: np.ndarray  # [P, 3] int32: row, column, pixels under the outline


def prepare_store(
    cohort: Cohort,
    splits: dict[str, str],
    store_path: Path,
    *,
    geometry: PatchGeometry,
    bits: int,
    seed: int,
    workers: int,
) -> Store:
    """Writes a cohort's store, whole or not at all.

    The pseudonyms' key lies beside the store in `<store>.key`; a key that is there
    already is used again. No name, path or DICOM attribute of the cohort enters the
    store.

    Args:
        cohort: The checked cohort.
        splits: "train" or "test" for every patient.
        store_path: The folder to make.
        geometry: Which windows are patches.
        bits: 8 or 16 bits per stored pixel.
        seed: Seed of the order in which the store lists its images.
        workers: Number of processes; 1 works in this one.

    Raises:
        InputError: The store exists already, or a file of the cohort cannot be used.
    """
    with new_folder(store_path) as folder:
        key_path = key_path_of(store_path)
        key = load_or_make_key(key_path)
        # Neither the cohort's order, which may follow names, nor the pseudonyms', which
        # would make a training run depend on the secret key.
        order = np.random.Generator(np.random.Philox(key=[seed, _ORDER_STREAM]))
        rows = [cohort.images[i] for i in order.permutation(len(cohort.images))]
        keys = [pseudonym(key, "image", row.name) for row in rows]
        (folder / IMAGES_FOLDER).mkdir()
        files = [folder / IMAGES_FOLDER / f"{image_key}.npy" for image_key in keys]
        converted = _convert_all(
            rows, files, geometry=geometry, bits=bits, workers=workers
        )
        images = [
            StoredImage(
                key=image_key,
                patient=pseudonym(key, "patient", row.patient),
                label=row.label,
                split=splits[row.patient],
                height=result.height,
                width=result.width,
                sha256=result.sha256,
            )
            for image_key, row, result in zip(keys, rows, converted, strict=True)
        ]
        _write_patches(folder / PATCHES_FILE, [result.patches for result in converted])
        write_json(
            folder / FACTS_FILE,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "positive": cohort.positive,
                "negative": cohort.negative,
                "bits": bits,
                "patches": dataclasses.asdict(geometry),
                "seed": seed,
                "split_hash": hash_split(
                    (i.key, i.sha256, i.label, i.split) for i in images
                ),
                "images": [dataclasses.asdict(image) for image in images],
            },
        )
        keep_key(key_path, key)
    store = Store.open(store_path)
    _warn_of_images_without_inside_patch(store)
    return store


def _convert_all(
    rows: list[CohortImage],
    files: list[Path],
    *,
    geometry: PatchGeometry,
    bits: int,
    workers: int,
) -> list[_Converted]:
    convert = functools.partial(_convert, geometry=geometry, bits=bits)
    bar = progress_bar(total=len(rows), description="prepare", unit="image")
    with bar, _mapper(min(workers, len(rows))) as run:
        converted = []
        for result in run(convert, rows, files):
            converted.append(result)
            bar.update()
        return converted


@contextlib.contextmanager
def _mapper(workers: int) -> Iterator:
    """Yields a `map` that runs in `workers` processes."""
    if workers == 1:
        yield map
        return
    # Spawned: a fork would copy the threads of whatever the caller has imported.
    executor = concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn")
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


def _convert(
    row: CohortImage, file: Path, *, geometry: PatchGeometry, bits: int
) -> _Converted:
    """Writes one image's pixels to `file` and locates its patches."""
    pixels = read_image(row.image, bits=bits)
    mask = read_outline(row.outline, shape=pixels.shape)
    try:
        rows, columns = geometry.grid(*pixels.shape)
    except InputError as error:
        raise InputError(f"{row.image}: {error}") from None
    counts = geometry.count_pixels(mask, rows, columns)
    buffer = io.BytesIO()  # np.save into a file reports a full disk as no error number
    np.save(buffer, pixels, allow_pickle=False)
    write_bytes(file, buffer.getvalue())
    return _Converted(
        height=pixels.shape[0],
        width=pixels.shape[1],
        sha256=hashlib.sha256(buffer.getbuffer()).hexdigest(),
        patches=np.stack([rows, columns, counts], axis=1),
    )


def _write_patches(path: Path, patches: list[np.ndarray]) -> None:
    table = np.concatenate(patches)
    numbers = np.arange(len(patches), dtype=np.int32)
    np.savez(
        path,
        image=np.repeat(numbers, [len(p) for p in patches]),
        row=table[:, 0],
        column=table[:, 1],
        pixels_inside=table[:, 2],
    )


def _warn_of_images_without_inside_patch(store: Store) -> None:
    keys = [
        image.key
        for index, image in enumerate(store.images)
        if store.patches_of_image(index, inside_only=True).size == 0
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
