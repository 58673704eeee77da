"""What a store holds, in numbers and in pictures, for a person to check."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import new_folder, write_bytes, write_json
from gastritis_gan.store.contact_sheets import contact_sheets
from gastritis_gan.store.duplicates import Duplicate, find_duplicates
from gastritis_gan.store.patch_counts import (
    class_name,
    count,
    count_beside_paper,
)
from gastritis_gan.store.store import Store

COUNTS_FILE = "counts.json"
TABLES_FILE = "inspection.md"


def inspect_store(store: Store, folder: Path) -> list[Duplicate]:
    """Writes a store's counts and contact sheets into a new folder.

    Args:
        store: The store.
        folder: The folder to make: `inspection.md`, `counts.json`, and
            `sheet_<split>_<label>_<number>.png`.

    Returns:
        The images that two patients share, as in the tables.

    Raises:
        InputError: The folder exists, or an image of the store is damaged.
    """
    with new_folder(folder) as partial:
        counts = count(store)
        duplicates = find_duplicates(store)
        counts["duplicates"] = [dataclasses.asdict(d) for d in duplicates]
        sheets = []
        with progress_bar(
            total=len(store.images), description="inspect", unit="image"
        ) as bar:
            for name, sheet, num_images in contact_sheets(store):
                sheet.save(partial / name)
                sheets.append(name)
                bar.update(num_images)
        write_json(partial / COUNTS_FILE, counts)
        text = _tables(store, counts, duplicates, sheets)
        write_bytes(partial / TABLES_FILE, text.encode())
    return duplicates


def table_beside_paper(store: Store) -> str:
    """Returns the training patches, each number beside the paper's, in Markdown."""
    return _markdown(
        [
            {
                "set": row["set"]
                if row["set"] == "outside"
                else f"{row['set']} ({class_name(store, row['set'])})",
                "patches": row["patches"],
                "paper's": row["paper_patches"],
                "images": row["images"],
                "paper's images": row["paper_images"],
                "patches / image": row["patches"] / max(row["images"], 1),
                "paper's / image": row["paper_patches"] / row["paper_images"],
            }
            for row in count_beside_paper(store)
        ]
    )


def _tables(
    store: Store,
    counts: dict[str, Any],
    duplicates: list[Duplicate],
    sheets: list[str],
) -> str:
    """Returns everything that was counted as Markdown."""
    sides = sorted({(image.height, image.width) for image in store.images})
    sizes = ", ".join(f"{height} x {width}" for height, width in sides)
    geometry = store.geometry
    pairs = "\n".join(f"- {duplicate}" for duplicate in duplicates)
    parts = [
        "# Inspection of a store",
        f"Split {store.split_hash}. {len(store.images):,} images ({sizes} pixels, "
        f"height x width), {store.bits} bits. Patches of {geometry.patch_size} x "
        f"{geometry.patch_size} pixels every {geometry.stride}; inside from a coverage "
        f"of {geometry.inside_coverage}, outside up to {geometry.outside_coverage}.",
        "## Patch sets",
        _markdown(counts["patch_sets"]),
        "## Training patches beside the paper's",
        table_beside_paper(store),
        "## Images that two patients share",
        pairs or "None, exact or near.",
        "## Patients",
        _markdown(counts["patients"]),
        "## Contact sheets",
        "\n\n".join(f"![{name}]({name})" for name in sheets),
    ]
    return "\n\n".join(parts) + "\n"


def _markdown(rows: list[dict[str, Any]]) -> str:
    """Returns a table with the keys as its head, readable as plain text too."""
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_number = [not isinstance(value, str) for value in rows[0].values()]
    lines = [
        [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, is_number, strict=True)
        ]
        for row in cells
    ]
    rule = [
        "-" * (width - right) + ":" * right
        for width, right in zip(widths, is_number, strict=True)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
