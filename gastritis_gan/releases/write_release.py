"""Writes a release: images, manifest, datasheet, checksums."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan import __version__
from gastritis_gan.errors import InputError
from gastritis_gan.images import image_sheet
from gastritis_gan.progress import progress_bar
from gastritis_gan.releases.datasheet import datasheet
from gastritis_gan.releases.dicom_format import write_dicom
from gastritis_gan.releases.png_format import write_png
from gastritis_gan.releases.release_facts import ReleaseFacts
from gastritis_gan.releases.release_part import ReleasePart
from gastritis_gan.releases.released_image import ReleasedImage
from gastritis_gan.releases.tfrecord_format import write_tfrecord
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.layout import is_safe_name
from gastritis_gan.storage import new_folder, sha256_of_file, write_bytes, write_json

FORMATS = {"png": write_png, "tfrecord": write_tfrecord, "dicom": write_dicom}

_CHUNK_SIZE = 64
_SHEET_IMAGES_PER_PART = 8
_MANIFEST_COLUMNS = (
    "file",
    "number",
    "class",
    "model",
    "version",
    "model_hash",
    "seed",
    "truncation",
    "pixels_sha256",
)


def write_release(
    parts: Sequence[ReleasePart],
    folder: Path,
    facts: ReleaseFacts,
    *,
    image_format: str,
    truncation: float,
) -> None:
    """Writes a folder that can be published.

    Args:
        parts: What is drawn.
        folder: Made by this call, whole or not at all.
        facts: What is said about it.
        image_format: One of `FORMATS`.
        truncation: 0 (one image for every seed) to 1 (as trained).

    Raises:
        InputError: `folder` exists, a class cannot be a folder, or a model is damaged.
    """
    for part in parts:
        if not is_safe_name(part.card["class_name"]):
            raise InputError(
                f"the class {part.card['class_name']!r} of {part.origin} cannot name a "
                "folder; letters, digits, '_', '.' and '-' can."
            )
    with new_folder(folder) as partial:
        shown: list[np.ndarray] = []
        images = _draw(parts, truncation=truncation, shown=shown)
        written = FORMATS[image_format](images, partial)
        _write_manifest(written, partial, total=sum(part.count for part in parts))
        image_sheet(np.stack(shown)[..., None], _SHEET_IMAGES_PER_PART).save(
            partial / "sheet.png"
        )
        text = datasheet(parts, facts, image_format=image_format, truncation=truncation)
        write_bytes(partial / "DATASHEET.md", text.encode())
        write_json(
            partial / "release.json",
            _describe(parts, facts, image_format=image_format, truncation=truncation),
        )
        _write_checksums(partial)


def _draw(
    parts: Sequence[ReleasePart], *, truncation: float, shown: list[np.ndarray]
) -> Iterator[ReleasedImage]:
    """Yields the images in order; adds the first ones of each part to `shown`."""
    classes = sorted({part.card["class_name"] for part in parts})
    number = 0
    for part in parts:
        model = ExportedModel.open(part.folder)
        for start in range(0, part.count, _CHUNK_SIZE):
            size = min(_CHUNK_SIZE, part.count - start)
            seeds = part.seed + start + np.arange(size, dtype=np.int64)
            for offset, pixels in enumerate(model.generate(seeds, truncation)):
                if start + offset < _SHEET_IMAGES_PER_PART:
                    shown.append(pixels[..., 0])
                yield ReleasedImage(
                    number=number,
                    pixels=pixels[..., 0],
                    class_name=part.card["class_name"],
                    class_index=classes.index(part.card["class_name"]),
                    model=part.card["name"],
                    version=int(part.card["version"]),
                    model_hash=part.model_hash,
                    seed=int(seeds[offset]),
                    truncation=truncation,
                )
                number += 1


def _write_manifest(
    written: Iterator[tuple[ReleasedImage, str]], folder: Path, *, total: int
) -> None:
    with (
        (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream,
        progress_bar(total=total, description="release", unit="image") as bar,
    ):
        manifest = csv.writer(stream, lineterminator="\n")
        manifest.writerow(_MANIFEST_COLUMNS)
        for image, path in written:
            manifest.writerow(
                (
                    path,
                    image.number,
                    image.class_name,
                    image.model,
                    image.version,
                    image.model_hash,
                    image.seed,
                    image.truncation,
                    hashlib.sha256(image.pixels.tobytes()).hexdigest(),
                )
            )
            bar.update(1)


def _describe(
    parts: Sequence[ReleasePart],
    facts: ReleaseFacts,
    *,
    image_format: str,
    truncation: float,
) -> dict[str, Any]:
    return {
        "format": 1,
        "title": facts.title,
        "image_format": image_format,
        "truncation": truncation,
        "split_hash": parts[0].card.get("split_hash"),
        "licence": facts.licence or None,
        "audit": facts.audit,
        "accepted_risk": facts.accepted_risk,
        "command": facts.command,
        "gastritis_gan": __version__,
        "parts": [
            {
                "count": part.count,
                "seed": part.seed,
                "model_hash": part.model_hash,
                "card": {
                    key: value for key, value in part.card.items() if key != "files"
                },
            }
            for part in parts
        ],
    }


def _write_checksums(folder: Path) -> None:
    """Writes `SHA256SUMS` in the form that `sha256sum -c` reads."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{sha256_of_file(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in paths
    ]
    write_bytes(folder / "SHA256SUMS", "".join(lines).encode())
