"""Keyed hashes of a cohort's rows and files, to notice that an input has changed.

Keyed, for a plain hash would let anyone who has a file find it in the store.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from gastritis_gan.cohort.cohort import (
    Cohort,
    CohortImage,
    file_error,
    naming_row,
    split_number,
)
from gastritis_gan.storage import sha256_of_file
from gastritis_gan.store.pseudonym import pseudonym


def hash_cohort(cohort: Cohort, splits: dict[str, str], *, secret: bytes) -> str:
    """Returns a keyed hash of the rows in their order, without what files hold."""
    rows = [
        {
            **{
                field.name: getattr(row, field.name)
                for field in dataclasses.fields(row)
                # The files are hashed by their content; the order is that of the list.
                if field.name not in ("row", "image", "outline")
            },
            "split": splits[row.patient],
        }
        for row in cohort.images
    ]
    return pseudonym(secret, "cohort", json.dumps(rows, sort_keys=True, default=str))


def hash_inputs(row: CohortImage, *, secret: bytes) -> dict[str, str | None]:
    """Returns keyed hashes of the image file and the outline file."""
    hashes: dict[str, str | None] = {}
    for name, path in (("image", row.image), ("outline", row.outline)):
        with naming_row(row.row, name):
            hashes[name] = (
                None if path is None else _hash_file(path, name, secret=secret)
            )
    return hashes


def _hash_file(path: Path, domain: str, *, secret: bytes) -> str:
    file, part = split_number(path)
    try:
        return pseudonym(secret, domain, f"{sha256_of_file(file)}#{part}")
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror}).") from None


def refuse_changed_files(
    path: Path, row: CohortImage, recorded: dict[str, Any], found: dict[str, Any]
) -> None:
    """Raises InputError when a file's hash is not the recorded one.

    Args:
        path: The store, or the unfinished one.
        row: The files.
        recorded: Their hashes then.
        found: Their hashes now.
    """
    for name, file in (("image", row.image), ("outline", row.outline)):
        if recorded[name] != found[name]:
            problem = f"the {name} is not the one that {path} was made from."
            with naming_row(row.row, name):
                raise file_error(file or row.image, f"{problem} {way_out(path)}")


def way_out(path: Path) -> str:
    """Returns the sentences that end the refusal of a changed input."""
    return (
        "Nothing was changed. Restore the old input, prepare into another path, or "
        f"remove {path} to start again."
    )
