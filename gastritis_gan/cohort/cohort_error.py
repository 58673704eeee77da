"""Refusals that say where the fault is without quoting what the hospital keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gastritis_gan.errors import InputError


class CohortError(InputError):
    """A file or a row of a cohort cannot be used.

    Its text may name files and quote their content: it is for the hospital's eyes.

    Attributes:
        public: The same without any name or text of the cohort; a log may keep it.
    """

    def __init__(self, message: str, public: str):
        super().__init__(message, public)  # both, for a worker process sends `args`
        self.public = public

    def __str__(self) -> str:
        return str(self.args[0])


def public_text(error: InputError) -> str:
    """Returns the text of an error that a log may keep."""
    return error.public if isinstance(error, CohortError) else str(error)


def file_error(
    path: Path, problem: InputError | str, *, reason: str = ""
) -> CohortError:
    """Returns the error that names a file.

    Args:
        path: The file.
        problem: What is wrong, as a sentence, or without a full stop before `reason`.
            Quotes nothing of the file, unless it is a `CohortError`.
        reason: What a library says of it; may quote the file.
    """
    public = public_text(problem) if isinstance(problem, InputError) else problem
    if reason:
        return CohortError(f"{path}: {problem} ({reason}).", f"{public}.")
    return CohortError(f"{path}: {problem}", public)


def quoting(problem: str, quote: object) -> CohortError:
    """Returns the error of a value that only the hospital may see."""
    return CohortError(f"{problem} Received: {quote!r}.", problem)


def csv_error(
    path: Path, line: int | None, problem: str, *, quote: object = None
) -> CohortError:
    """Returns the error of a row of the cohort file, or of all of it.

    Args:
        path: The cohort file.
        line: The row, from 1.
        problem: What is wrong, as a sentence that quotes nothing of the file.
        quote: What the file says instead, where that helps.
    """
    error = CohortError(problem, problem) if quote is None else quoting(problem, quote)
    row = "" if line is None else f", row {line}"
    place = "the cohort file" if line is None else _place(line)
    return CohortError(f"{path}{row}: {error}", f"{place}: {error.public}")


@contextlib.contextmanager
def naming_row(row: int, column: str) -> Iterator[None]:
    """Names the row and the column of the cohort file in a refusal's public text."""
    try:
        yield
    except InputError as error:
        public = f"{_place(row)}, {column}: {public_text(error)}"
        raise CohortError(str(error), public) from None


def _place(line: int) -> str:
    return f"row {line} of the cohort file"
