"""Joins a table of labels, as a study keeps one, to the images of a draft."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gastritis_gan.cohort.cohort import SPLIT_COLUMN, patient_form
from gastritis_gan.cohort.table import RowError, read_table
from gastritis_gan.errors import InputError

# What a table may name images by, the surest first. All but a patient name one file.
IDENTIFIERS = (
    "path",
    "SOPInstanceUID",
    "file name",
    "stem of the name",
    "PatientID",
)
_OF_SEVERAL = "PatientID"
_LABEL_COLUMNS = ("label", "class")
_UPWARDS = re.compile(r"^(\.{1,2}/)+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class JoinedLabels:
    """What a table says of each image.

    Attributes:
        columns: Those of label, patient and split that the table has.
        cells: For each image its cells by column, empty where no row names it.
        identifier: By what the rows name images, one of `IDENTIFIERS`.
        unused: Number of rows that name no image.
    """

    columns: tuple[str, ...]
    cells: tuple[dict[str, str], ...]
    identifier: str
    unused: int


def join_labels(
    path: Path, key: str, images: Sequence[Mapping[str, str]]
) -> JoinedLabels:
    """Finds the row of each image in a table of labels.

    Which of `IDENTIFIERS` the key column holds is found out: the one by which most
    images are found. A file name that several folders have names no image.

    Args:
        path: The table, with the columns `key` and label (or class); patient and split
            are used if they are there, all others are not.
        key: Name of the column that names the images.
        images: For each image its identifiers, those of `IDENTIFIERS` that it has. Its
            path is absolute; a table has as many of its last parts as it likes.

    Raises:
        InputError: The table cannot be read, two of its rows contradict each other, or
            it names no image.
    """
    key = key.strip().lower()
    try:
        table = read_table(
            path, required=(key,), optional=(*_LABEL_COLUMNS, "patient", SPLIT_COLUMN)
        )
    except RowError as error:
        raise InputError(f"{path}, row {error.line}: {error}") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    found_labels = [column for column in _LABEL_COLUMNS if column in table.columns]
    if not found_labels:
        raise InputError(
            f"{path}: has no column `label`; rename the one that holds it."
        )
    columns = {"label": found_labels[0]} | {
        column: column
        for column in ("patient", SPLIT_COLUMN)
        if column in table.columns
    }
    rows: dict[str, dict[str, str]] = {}
    first_line: dict[str, int] = {}
    for line, cells in table.rows:
        name = _form(cells[key])
        first_line.setdefault(name, line)
        said = {column: cells[source] for column, source in columns.items()}
        if "patient" in said:
            said["patient"] = patient_form(said["patient"])
        if rows.setdefault(name, said) != said:
            raise InputError(
                f"{path}: rows {first_line[name]} and {line} name the same `{key}` "
                "with different cells; keep the right one."
            )
    rows.pop("", None)
    found = {kind: _find(kind, rows, images) for kind in IDENTIFIERS}
    best = max(IDENTIFIERS, key=lambda kind: sum(map(bool, found[kind])))
    if not any(found[best]):
        raise InputError(
            f"{path}: its column `{key}` names no image of the folder, neither by "
            f"{', '.join(IDENTIFIERS[:-1])} nor by {IDENTIFIERS[-1]}. Give the column "
            "that does with --key."
        )
    return JoinedLabels(
        columns=tuple(columns),
        cells=tuple(rows[name] if name else {} for name in found[best]),
        identifier=best,
        unused=len(rows.keys() - set(found[best])),
    )


def _find(
    kind: str, rows: Mapping[str, object], images: Sequence[Mapping[str, str]]
) -> list[str]:
    """Returns the key of each image's row by one kind of identifier, or nothing."""
    names = [_form(image.get(kind, "")) for image in images]
    if kind == "path":
        names = [_longest_end(name, rows) for name in names]
    if kind != _OF_SEVERAL:
        files = collections.defaultdict(set)
        for name, image in zip(names, images, strict=True):
            files[name].add(image["path"].partition("#")[0])
        names = [name if len(files[name]) == 1 else "" for name in names]
    return [name if name in rows else "" for name in names]


def _longest_end(path: str, rows: Mapping[str, object]) -> str:
    """Returns the longest end of a path that a row has, or nothing."""
    parts = path.split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in rows), "")


def _form(name: str) -> str:
    """Returns a name in one form; of a relative path what follows its dots."""
    return _UPWARDS.sub("", patient_form(name.replace("\\", "/")))
