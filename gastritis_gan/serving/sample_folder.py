"""Writes samples as a folder of PNG files with a manifest and a contact sheet."""

from __future__ import annotations

import csv
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.images import drawable, image_sheet
from gastritis_gan.progress import progress_bar
from gastritis_gan.serving.synthetic_mark import marked_png, synthetic_chunk
from gastritis_gan.storage import (
    make_folder,
    read_json,
    refuse_existing,
    remove_empty,
    work_folder_of,
    write_bytes,
    write_json,
)

_logger = logging.getLogger(__name__)

_CHUNK_SIZE = 16
_SHEET_COLUMNS = 8
_SHEET_IMAGES = 64
_MANIFEST_COLUMNS = ("file", "seed", "truncation", "class", "model", "version")
_REQUEST_FILE = "request.json"
_TOLERANCE_LEVELS = 1


class SampleSource(Protocol):
    """One version of a model that turns seeds into images."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> int:
        """The version's number."""

    @property
    def class_name(self) -> str:
        """Class of the images; empty where the source does not know."""

    @property
    def model_hash(self) -> str:
        """Identity of graph and weights; empty where the source does not know."""

    def generate(self, seeds: np.ndarray, truncation: float = 1.0) -> np.ndarray:
        """Makes one image per seed.

        Args:
            seeds: Integers of shape (n,), n at least 1, within int64.
            truncation: 0 (one image for every seed) to 1 (as trained).

        Returns:
            uint8 (n, r, r, 1).
        """


def sample(
    model: SampleSource,
    out: str | os.PathLike[str],
    *,
    count: int = 64,
    seed: int = 0,
    truncation: float = 1.0,
) -> Path:
    """Writes `000000.png`, ..., `manifest.csv` and `sheet.png` to a new folder.

    Image i has the seed `seed + i`: two folders share no image as long as their ranges
    of seeds do not overlap, and a manifest's seeds can be sent to a server as they are.
    Every file has the mark of `synthetic_mark` with the model's hash, where the source
    knows it, and the images' with seed and truncation.

    The folder appears when it is whole. Until then the images lie beside it, in
    `<out>.partial`; after an interruption the same call resumes there.

    Args:
        model: Where the images come from, such as an `ExportedModel`.
        out: Folder to make.
        count: Number of images, at least 1.
        seed: Seed of the first image, from 0.
        truncation: 0 (one image for every seed) to 1 (as trained).

    Returns:
        The folder.

    Raises:
        InputError: `out` exists, `count` is below 1, a seed is beyond int64, or what
            was begun earlier is something else.

    Example:
        >>> model = gg.open_model("exported/phantom_lc_negative")
        >>> folder = gg.sample(model, "samples/new", count=2)
        >>> sorted(path.name for path in folder.iterdir())
        ['000000.png', '000001.png', 'manifest.csv', 'sheet.png']
    """
    out = Path(out)
    if count < 1:
        raise InputError(f"the number of images must be at least 1, not {count}.")
    largest = np.iinfo(np.int64).max - count
    if not 0 <= seed <= largest:
        raise InputError(
            f"the seed must be from 0 to {largest} for {count} images, not {seed}."
        )
    refuse_existing(out)
    partial = work_folder_of(out)
    request = {
        "model": model.name,
        "version": model.version,
        "count": count,
        "seed": seed,
        "truncation": truncation,
    }
    _begin(partial, request)
    paths = [partial / f"{number:06d}.png" for number in range(count)]
    try:
        if paths[0].exists():
            _refuse_other_images(model, paths[0], seed, truncation)
        _write_missing(model, paths, seed, truncation)
    except BaseException:
        if paths[0].exists():
            _logger.warning("%s is unfinished: the same command resumes.", partial)
        else:
            shutil.rmtree(partial)  # nothing to resume from
        raise
    with (partial / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        manifest = csv.writer(stream, lineterminator="\n")
        manifest.writerow(_MANIFEST_COLUMNS)
        origin = (model.class_name, model.name, model.version)
        for number, path in enumerate(paths):
            manifest.writerow((path.name, seed + number, truncation, *origin))
    shown = np.stack([_read(path) for path in paths[:_SHEET_IMAGES]])
    name = drawable(model.class_name, "")
    of_class = f", class {name}" if name else ""
    sheet = image_sheet(
        shown[..., None],
        min(_SHEET_COLUMNS, len(shown)),
        caption=f"Synthetic: {model.name}, version {model.version}{of_class}.",
    )
    chunk = synthetic_chunk(model.name, model.version, model_hash=model.model_hash)
    write_bytes(partial / "sheet.png", marked_png(sheet, chunk))
    (partial / _REQUEST_FILE).unlink()
    partial.rename(out)
    return out


def _begin(partial: Path, request: dict[str, Any]) -> None:
    """Makes the folder of an unfinished request, or finds that of the same one."""
    if not partial.exists():
        made = make_folder(partial)
        try:
            write_json(partial / _REQUEST_FILE, request)
        except InputError:
            remove_empty(made)
            raise
        return
    request_path = partial / _REQUEST_FILE
    if not request_path.is_file() or read_json(request_path) != request:
        raise InputError(
            f"{partial} is left from another, unfinished request; repeat that one to "
            "finish it, remove the folder, or give another --out."
        )


def _refuse_other_images(
    model: SampleSource, first: Path, seed: int, truncation: float
) -> None:
    """Raises InputError when what was begun came from another model of that name."""
    again = model.generate(np.array([seed]), truncation)[0, ..., 0]
    found = _read(first)
    if found.shape != again.shape or (
        np.abs(found.astype(int) - again).max() > _TOLERANCE_LEVELS
    ):
        raise InputError(
            f"{first.parent} contains images that {model.name}, version "
            f"{model.version} does not make: it is another model of that name; remove "
            "the folder or give another --out."
        )


def _write_missing(
    model: SampleSource, paths: Sequence[Path], seed: int, truncation: float
) -> None:
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    done = len(paths) - len(missing)
    with progress_bar(
        total=len(paths), initial=done, description="sample", unit="image"
    ) as bar:
        for start in range(0, len(missing), _CHUNK_SIZE):
            numbers = np.array(missing[start : start + _CHUNK_SIZE], np.int64)
            images = model.generate(seed + numbers, truncation)
            for number, image in zip(numbers, images, strict=True):
                chunk = synthetic_chunk(
                    model.name,
                    model.version,
                    model_hash=model.model_hash,
                    seed=seed + number,
                    truncation=float(truncation),
                )
                write_bytes(paths[number], marked_png(image[..., 0], chunk))
            bar.update(len(numbers))


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)
