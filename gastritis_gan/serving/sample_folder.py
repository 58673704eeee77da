"""Writes samples as a folder of PNG files with a manifest and a contact sheet."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.images import image_sheet
from gastritis_gan.progress import progress_bar
from gastritis_gan.serving.open_model import SampleSource
from gastritis_gan.storage import read_json, refuse_existing, write_bytes, write_json

_CHUNK_SIZE = 16
_SHEET_COLUMNS = 8
_SHEET_IMAGES = 64
_MANIFEST_COLUMNS = ("file", "seed", "truncation", "class", "model", "version")
_REQUEST_FILE = "request.json"
_TOLERANCE_LEVELS = 1


def check_seeds(*, count: int, seed: int) -> None:
    """Refuses a number of images or a first seed that cannot be.

    Raises:
        InputError: `count` is below 1, or a seed is beyond int64.
    """
    if count < 1:
        raise InputError(f"the number of images must be at least 1, not {count}.")
    largest = np.iinfo(np.int64).max - count
    if not 0 <= seed <= largest:
        raise InputError(
            f"the seed must be from 0 to {largest} for {count} images, not {seed}."
        )


def unfinished_folder(folder: Path) -> Path:
    """Returns where the images lie until `folder` is whole."""
    return folder.with_name(f"{folder.name}.partial")


def write_sample_folder(
    source: SampleSource, folder: Path, *, count: int, seed: int, truncation: float
) -> None:
    """Writes `000000.png`, ..., `manifest.csv` and `sheet.png` to a new folder.

    Image i has the seed `seed + i`: two folders share no image as long as their ranges
    of seeds do not overlap, and a manifest's seeds can be sent to a server as they are.

    The folder appears when it is whole. Until then the images lie in
    `unfinished_folder`; after an interruption the same call goes on from there.

    Args:
        source: Where the images come from.
        folder: Made by this call.
        count: Number of images, at least 1.
        seed: Seed of the first image, from 0.
        truncation: 0 (one image for every seed) to 1 (as trained).

    Raises:
        InputError: `folder` exists, `count` is below 1, a seed is beyond int64, or
            what was begun earlier is something else.
    """
    check_seeds(count=count, seed=seed)
    refuse_existing(folder)
    partial = unfinished_folder(folder)
    request = {
        "model": source.name,
        "version": source.version,
        "count": count,
        "seed": seed,
        "truncation": truncation,
    }
    _begin(partial, request)
    try:
        _refuse_other_images(source, partial, seed=seed, truncation=truncation)
        _write_missing(source, partial, count=count, seed=seed, truncation=truncation)
    finally:
        if not (partial / _png_name(0)).exists():
            shutil.rmtree(partial)  # nothing to go on from
    _write_manifest(source, partial, count=count, seed=seed, truncation=truncation)
    shown = np.stack(
        [_read(partial / _png_name(i)) for i in range(min(count, _SHEET_IMAGES))]
    )
    sheet = image_sheet(shown[..., None], min(_SHEET_COLUMNS, len(shown)))
    sheet.save(partial / "sheet.png")
    (partial / _REQUEST_FILE).unlink()
    partial.rename(folder)


def _begin(partial: Path, request: dict[str, Any]) -> None:
    """Makes the folder of an unfinished request, or finds that of the same one."""
    if not partial.exists():
        partial.mkdir(parents=True)
        write_json(partial / _REQUEST_FILE, request)
        return
    request_path = partial / _REQUEST_FILE
    if not request_path.is_file() or read_json(request_path) != request:
        raise InputError(
            f"{partial} is left from another, unfinished request; repeat that one to "
            "finish it, remove the folder, or give another --out."
        )


def _refuse_other_images(
    source: SampleSource, partial: Path, *, seed: int, truncation: float
) -> None:
    """Raises InputError when what was begun came from another model of that name."""
    first = partial / _png_name(0)
    if not first.exists():
        return
    again = source.generate(np.array([seed]), truncation)[0, ..., 0]
    found = _read(first)
    if found.shape != again.shape or (
        np.abs(found.astype(int) - again).max() > _TOLERANCE_LEVELS
    ):
        raise InputError(
            f"{partial} holds images that {source.name}, version {source.version}, "
            "does not make: it is another model of that name; remove the folder or "
            "give another --out."
        )


def _write_missing(
    source: SampleSource, partial: Path, *, count: int, seed: int, truncation: float
) -> None:
    missing = [i for i in range(count) if not (partial / _png_name(i)).exists()]
    with progress_bar(
        total=count, initial=count - len(missing), description="sample", unit="image"
    ) as bar:
        for start in range(0, len(missing), _CHUNK_SIZE):
            numbers = np.array(missing[start : start + _CHUNK_SIZE], np.int64)
            images = source.generate(seed + numbers, truncation)
            for number, image in zip(numbers, images, strict=True):
                content = io.BytesIO()
                Image.fromarray(image[..., 0]).save(content, "PNG")
                write_bytes(partial / _png_name(number), content.getvalue())
            bar.update(len(numbers))


def _write_manifest(
    source: SampleSource, partial: Path, *, count: int, seed: int, truncation: float
) -> None:
    with (partial / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        manifest = csv.writer(stream, lineterminator="\n")
        manifest.writerow(_MANIFEST_COLUMNS)
        for i in range(count):
            origin = (source.class_name, source.name, source.version)
            manifest.writerow((_png_name(i), seed + i, truncation, *origin))


def _png_name(number: int) -> str:
    return f"{number:06d}.png"


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)
