"""Writes the two files of a store that say what its images are."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.storage import write_bytes, write_json
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.split import hash_split
from gastritis_gan.store.store import FACTS_FILE, PATCHES_FILE, StoredImage


def write_facts(
    folder: Path,
    plan: dict[str, Any],
    images: list[StoredImage],
    records: list[dict[str, Any]],
) -> None:
    """Writes `store.json`.

    Args:
        folder: The store.
        plan: The settings, and what the cohort was.
        images: The images in the store's order.
        records: What their conversion has returned.
    """
    pairs = zip(images, records, strict=True)
    facts = {
        **plan,
        "split_hash": hash_split(
            (image.sha256, image.label, image.split, image.patient) for image in images
        ),
        "images": [dataclasses.asdict(image) for image in images],
        "inputs": {image.key: record["inputs"] for image, record in pairs},
    }
    write_json(folder / FACTS_FILE, facts)


def write_patches(
    folder: Path, records: list[dict[str, Any]], geometry: PatchGeometry
) -> None:
    """Writes `patches.npz`.

    Args:
        folder: The store.
        records: What the conversion of its images has returned, in its order.
        geometry: The patches.
    """
    grids = [geometry.grid(record["height"], record["width"]) for record in records]
    sizes = [rows.size for rows, _ in grids]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        image=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        row=np.concatenate([rows for rows, _ in grids]),
        column=np.concatenate([columns for _, columns in grids]),
        pixels_inside=np.concatenate([record["pixels_inside"] for record in records]),
        border_text=np.concatenate([record["border_text"] for record in records]),
    )
    write_bytes(folder / PATCHES_FILE, buffer.getvalue())
