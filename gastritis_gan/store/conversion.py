"""One image of a cohort becomes one image of a store, in one of several processes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import io
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.cohort.cohort import CohortImage, file_error, naming_row
from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.cohort.image_file import read_image, read_metadata
from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.cohort.size_rule import size_change
from gastritis_gan.errors import InputError
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import read_json, write_bytes
from gastritis_gan.store.burned_in_text import find_text
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.pixels import encode_png, hash_pixels, read_pixels
from gastritis_gan.store.pseudonym import hash_inputs, refuse_changed_files
from gastritis_gan.store.store import IMAGES_FOLDER, OUTLINES_FOLDER

FINISHED_FOLDER = "finished"  # of the work folder: a record per finished image
STORE_FOLDER = "store"  # of the work folder: what is renamed in the end

_NO_OUTLINE = -1
_LARGEST_STRETCH = 0.01
_NOT_SQUARE = (
    "have pixels that are not square, and so look stretched; `cohort.other_sizes: "
    "rescale` mends DICOM images that state a spacing."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageConversion:
    """How every image is converted; knows the folder, so it can run anywhere.

    Attributes:
        folder: The work folder.
        secret: The key of the pseudonyms.
        settings: Depth and size of the stored images.
        geometry: Which windows are patches.
        window: Number, from 1, or explanation of the window in DICOM files; None: the
            first.
    """

    folder: Path
    secret: bytes
    settings: CohortConfig
    geometry: PatchGeometry
    window: int | str | None

    def __call__(self, row: CohortImage, key: str) -> dict[str, Any]:
        """Converts an image unless an earlier run has, and returns its record."""
        inputs = hash_inputs(row, secret=self.secret)
        record_file = self.folder / FINISHED_FOLDER / f"{key}.json"
        store = self.folder / STORE_FOLDER
        image_file = store / IMAGES_FOLDER / f"{key}.png"
        if record_file.is_file():
            record: dict[str, Any] = read_json(record_file)
            refuse_changed_files(self.folder, row, record["inputs"], inputs)
            if _is_whole(image_file, record):
                return _with_arrays(record)
        geometry = self.geometry
        with naming_row(row.row, "image"):
            metadata = read_metadata(row.image)
            image = read_image(row.image, bits=self.settings.bits, window=self.window)
            try:
                change = size_change(
                    image.pixels.shape, metadata.pixel_spacing_mm, self.settings
                )
                pixels = change.apply(image.pixels)
                rows, columns = geometry.grid(*pixels.shape)
            except InputError as error:
                raise file_error(row.image, error) from None
        counts = np.full(rows.size, _NO_OUTLINE, np.int32)
        if row.outline is not None:
            with naming_row(row.row, "outline"):
                mask = read_outline(
                    row.outline, shape=change.original_shape, image=row.image
                )
            mask = change.apply_to_mask(mask)
            counts = geometry.count_pixels(mask, rows, columns)
            buffer = io.BytesIO()
            Image.fromarray(mask).save(buffer, "PNG")  # 1 bit per pixel
            write_bytes(store / OUTLINES_FOLDER / f"{key}.png", buffer.getvalue())
        write_bytes(image_file, encode_png(pixels))
        notes = list(image.notes)
        if (
            self.settings.other_sizes != "rescale"
            and abs(metadata.pixel_aspect - 1) > _LARGEST_STRETCH
        ):
            notes.append(_NOT_SQUARE)
        text = find_text(pixels).tolist() if geometry.exclude_text else []
        record = {
            "inputs": inputs,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "sha256": hash_pixels(pixels),
            "size_change": change.kind,
            "burned_in": metadata.burned_in,
            "is_synthetic": metadata.is_synthetic,
            "notes": notes,
            "pixels_inside": counts.tolist(),
            "text_boxes": text,
        }
        # Last: what has a record is finished. Indents would take long to write.
        write_bytes(record_file, json.dumps(record).encode())
        return _with_arrays(record)


def _is_whole(path: Path, record: dict[str, Any]) -> bool:
    """Whether a finished image is still what its record states."""
    try:
        read_pixels(path, (record["height"], record["width"]), record["sha256"])
    except (OSError, ValueError, SyntaxError):
        return False
    return True


def _with_arrays(record: dict[str, Any]) -> dict[str, Any]:
    """Returns a record whose columns take 4 bytes a patch; all images' are held."""
    boxes = np.array(record["text_boxes"], np.int32).reshape(-1, 4)
    counts = np.array(record["pixels_inside"], np.int32)
    return record | {"pixels_inside": counts, "text_boxes": boxes}


def run_on_images(
    function: Callable[[CohortImage, str], dict[str, Any]],
    rows: dict[str, CohortImage],
    *,
    workers: int,
    description: str,
) -> dict[str, dict[str, Any]]:
    """Calls a function with every row and its key, in their order.

    After a refusal only the rows above the refused one in the cohort file are tried, so
    that the first bad row of the file is named, whatever the order of the keys.

    Args:
        function: What to do; must be picklable.
        rows: The rows by key.
        workers: Number of processes, 1 works in this one.
        description: Of the progress bar.

    Returns:
        By key what the function has returned.

    Raises:
        InputError: The function refuses a row, or a process ended unexpectedly.
    """
    results: dict[str, dict[str, Any]] = {}
    refusals: dict[int, InputError] = {}
    bar = progress_bar(total=len(rows), description=description, unit="image")
    with bar, _processes(min(workers, len(rows))) as submit:
        calls = {key: submit(function, row, key) for key, row in rows.items()}
        for key, row in rows.items():
            bar.update()
            if refusals and row.row > min(refusals):
                continue
            try:
                results[key] = calls.pop(key)()
            except InputError as error:
                refusals[row.row] = error
    if refusals:
        raise refusals[min(refusals)]
    return results


@contextlib.contextmanager
def _processes(workers: int) -> Iterator[Callable[..., Callable[[], dict[str, Any]]]]:
    """Yields what submits a call to `workers` processes and returns how to get it."""
    if workers == 1:
        yield functools.partial
        return
    # Spawned: a fork would copy the threads of whatever the caller has imported.
    try:
        executor = concurrent.futures.ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_end_with_the_parent,
        )
    except (ImportError, NotImplementedError, OSError) as error:
        raise InputError(
            f"several processes cannot work together here ({error}): shared memory is "
            "missing or full, on Linux /dev/shm. `--workers 1` needs none."
        ) from error
    try:
        yield lambda *call: executor.submit(*call).result
    except BrokenProcessPool:
        raise InputError(
            "a worker process ended unexpectedly, most likely because memory ran "
            "out; try fewer workers."
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
