"""Writes samples as a folder of PNG files with a manifest and a contact sheet."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.files import new_folder
from gastritis_gan.progress import progress_bar
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.sheets import image_sheet

_CHUNK_SIZE = 16
_SHEET_COLUMNS = 8
_SHEET_IMAGES = 64
_MANIFEST_COLUMNS = ("file", "seed", "truncation", "class", "model", "version")


def write_sample_folder(
    model: ExportedModel, folder: Path, *, count: int, seed: int, truncation: float
) -> None:
    """Writes `000000.png`, ..., `manifest.csv` and `sheet.png` to a new folder.

    Image i has the seed `seed + i`: two folders share no image as long as their ranges
    of seeds do not overlap, and a manifest's seeds can be sent to a server as they are.

    Args:
        model: Where the images come from.
        folder: Made by this call, whole or not at all.
        count: Number of images, at least 1.
        seed: Seed of the first image, from 0.
        truncation: 0 (one image for every seed) to 1 (as trained).

    Raises:
        InputError: `folder` exists, `count` is below 1, or a seed is beyond int64.
    """
    if count < 1:
        raise InputError(f"the number of images must be at least 1, not {count}.")
    largest = np.iinfo(np.int64).max - count
    if not 0 <= seed <= largest:
        raise InputError(
            f"the seed must be from 0 to {largest} for {count} images, not {seed}."
        )
    sheet_chunks = []
    with (
        new_folder(folder) as partial,
        (partial / "manifest.csv").open("w", newline="", encoding="utf-8") as stream,
        progress_bar(total=count, description="sample", unit="image") as bar,
    ):
        manifest = csv.writer(stream, lineterminator="\n")
        manifest.writerow(_MANIFEST_COLUMNS)
        for start in range(0, count, _CHUNK_SIZE):
            numbers = range(start, min(start + _CHUNK_SIZE, count))
            seeds = [seed + number for number in numbers]
            images = model.generate(np.array(seeds, np.int64), truncation)
            for number, image_seed, image in zip(numbers, seeds, images, strict=True):
                name = f"{number:06d}.png"
                Image.fromarray(image[..., 0]).save(partial / name)
                manifest.writerow(
                    (
                        name,
                        image_seed,
                        truncation,
                        model.card["class_name"],
                        model.card["name"],
                        model.version,
                    )
                )
            if start < _SHEET_IMAGES:
                sheet_chunks.append(images)
            bar.update(len(images))
        shown = np.concatenate(sheet_chunks)[:_SHEET_IMAGES]
        image_sheet(shown, min(_SHEET_COLUMNS, len(shown))).save(partial / "sheet.png")
