"""A table of text as a spreadsheet saves it: encoding and separator are found out."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import difflib
import io
import re
from collections.abc import Sequence
from pathlib import Path

from gastritis_gan.errors import InputError

_SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)  # Excel's, before all


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a table that were asked for.

    Attributes:
        columns: Those of them that it has.
        rows: Line in the file, from 1, and cell by column, for each row that is not
            empty; white space around a cell is removed.
        ignored: Numbers, from 1, of the columns that nobody asked for.
        hints: Names that the writer of these columns may have meant.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    ignored: tuple[int, ...]
    hints: tuple[str, ...]


class RowError(InputError):
    """A row of a table cannot be used; `line` is its line in the file."""

    def __init__(self, message: str, line: int):
        super().__init__(message, line)
        self.line = line

    def __str__(self) -> str:
        return str(self.args[0])


def read_table(
    path: Path, *, required: Sequence[str], optional: Sequence[str] = ()
) -> Table:
    """Reads a table with a row of names, separated by commas, semicolons or tabs.

    Names of columns are compared without regard to case.

    Args:
        path: The file; UTF-8, or UTF-16 with a byte order mark.
        required: Names of columns, in lower case.
        optional: Names of further columns.

    Raises:
        RowError: A row has another number of fields.
        InputError: The file cannot be read as a table, or lacks a column. No message
            quotes it.
    """
    lines, separator, offset = _lines(path, {*required, *optional})
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        wanted = _find_columns(names, required, optional)
        rows = []
        for cells in reader:
            line, cells = reader.line_num + offset, [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if len(cells) < len(names) or any(cells[len(names) :]):
                raise RowError(
                    f"must have {len(names)} fields, as the first row has; a field "
                    "with a separator in it needs quotes.",
                    line,
                )
            rows.append((line, {name: cells[i] for name, i in wanted.items()}))
    except csv.Error as error:
        raise InputError(f"is not a CSV file ({error}).") from None
    ignored = [i for i, name in enumerate(names) if name and name not in wanted]
    absent = [name for name in optional if name not in wanted]
    close = [difflib.get_close_matches(names[i], absent, n=1) for i in ignored]
    return Table(
        columns=tuple(wanted),
        rows=tuple(rows),
        ignored=tuple(i + 1 for i in ignored),
        hints=tuple(name for names in close for name in names),
    )


def _lines(path: Path, known: set[str]) -> tuple[list[str], str, int]:
    """Returns the lines of a table, its separator, and how many lines were skipped."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).") from None
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(
            'is not text in UTF-8; save it as "CSV UTF-8" where it was made.'
        )
    lines = io.StringIO(text, newline="").readlines()
    stated = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if stated:
        return lines[1:], stated[1], 1
    head = next((line for line in lines if line.strip()), "")
    return lines, max(_SEPARATORS, key=lambda s: len(known & _names(head, s))), 0


def _names(head: str, separator: str) -> set[str]:
    return {name.strip().strip('"').strip().lower() for name in head.split(separator)}


def _find_columns(
    names: list[str], required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    """Returns the position of each column that was asked for and is there."""
    missing = [name for name in required if name not in names]
    wanted = {
        name: names.index(name) for name in (*required, *optional) if name in names
    }
    problem = ""
    if missing:
        others = [name for name in names if name not in wanted]
        close = difflib.get_close_matches(missing[0], others, n=1)
        hint = f" (did you mean {missing[0]!r}?)" if close else ""
        problem = f"missing: {', '.join(missing)}{hint}"
    elif any(names.count(name) > 1 for name in wanted):
        problem = "a column is named twice"
    if problem:
        raise InputError(
            f"the first row must name the columns {', '.join(required)}; {problem}."
        )
    return wanted
