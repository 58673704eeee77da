"""The cohort file, one row per image, and the errors that name a row or a file."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import difflib
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from gastritis_gan.errors import InputError

COHORT_FILE = "cohort.csv"
_REQUIRED = ("image", "patient", "label")
_COLUMNS = (*_REQUIRED, "outline")


class CohortError(InputError):
    """A file or a row of a cohort cannot be used.

    Its text may name files and quote their content: only the hospital may see it.

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
        reason: A library's message about it; may quote the file.
    """
    public = public_text(problem) if isinstance(problem, InputError) else problem
    if reason:
        return CohortError(f"{path}: {problem} ({reason}).", f"{public}.")
    return CohortError(f"{path}: {problem}", public)


def quoting(problem: str, quote: object) -> CohortError:
    """Returns the error of a value that only the hospital may see."""
    return CohortError(f"{problem} Received: {quote!r}.", problem)


@contextlib.contextmanager
def _naming_line(path: Path, line: int | None = None) -> Iterator[None]:
    """Names the cohort file, and a row of it, in a refusal; the file is not public."""
    try:
        yield
    except InputError as error:
        row = "" if line is None else f", row {line}"
        place = "the cohort file" if line is None else _place(line)
        message = f"{path}{row}: {error}"
        raise CohortError(message, f"{place}: {public_text(error)}") from None


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


@contextlib.contextmanager
def refusing(path: Path, problem: str, *, logger: str = "") -> Iterator[None]:
    """Turns whatever a damaged file makes a library raise into one sentence.

    The library's warnings and log, which quote the file, are silenced.

    Args:
        path: The file.
        problem: What it means when the code inside raises, without a full stop.
        logger: Name of the library's logger.

    Raises:
        InputError: Anything but a lack of memory was raised inside.
    """
    try:
        with quiet(logger):
            yield
    except MemoryError:
        raise
    except InputError as error:
        raise file_error(
            path, CohortError(_one_line(str(error)), _one_line(public_text(error)))
        ) from None
    except Exception as error:  # noqa: BLE001 - damage surfaces as any exception
        reason = _one_line(str(error)) or type(error).__name__
        raise file_error(path, problem, reason=reason) from None


def _one_line(text: str) -> str:
    """Values of a damaged file, which messages quote, hold line breaks and worse."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


@contextlib.contextmanager
def quiet(logger_name: str) -> Iterator[None]:
    """Silences all warnings, and the log of a library; its exceptions still come."""
    logger = logging.getLogger(logger_name) if logger_name else None
    was_disabled = logger is not None and logger.disabled
    try:
        if logger is not None:
            logger.disabled = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if logger is not None:
            logger.disabled = was_disabled


def split_number(path: Path) -> tuple[Path, int | None]:
    """Separates a path from the number of a part within the file.

    Args:
        path: A path as the cohort names it.

    Returns:
        The file, and the number after its last `#`; None without one, or where a file
        of that whole name exists.
    """
    match = re.fullmatch(r"(.+)#(\d{1,9})", path.name)
    if match is None or path.exists():
        return path, None
    return path.with_name(match[1]), int(match[2])


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortImage:
    """One row of the cohort.

    Attributes:
        row: Its line in the cohort file, from 1.
        name: The image as the cohort file writes it.
        image: The image file, with `#` and a number where it names a frame
            (`split_number` separates them).
        outline: The file with the organ's outline, with `#` and a number where it names
            a part; None where the cell is empty.
        patient: The patient as the cohort file writes it.
        label: "positive" or "negative".
    """

    row: int
    name: str
    image: Path
    outline: Path | None
    patient: str
    label: str


def read_cohort(
    path: str | os.PathLike[str], *, positive: str, negative: str
) -> tuple[CohortImage, ...]:
    """Reads a cohort and checks every row.

    Args:
        path: The cohort file, or the folder that holds it as `cohort.csv`.
        positive: Label of the positive class in the file.
        negative: Label of the negative class in the file.

    Returns:
        The rows in the file's order.

    Raises:
        InputError: The file cannot be read, has other columns than image, patient,
            label and outline, has no rows, or a row has no image, patient or label, an
            unknown label, a file that does not exist or an image that another row has
            already.
    """
    csv_path = Path(path)
    if csv_path.is_dir():
        csv_path /= COHORT_FILE
    labels = {positive: "positive", negative: "negative"}
    images: list[CohortImage] = []
    row_of_image: dict[Path, int] = {}
    for line, row in _read_rows(csv_path):
        with _naming_line(csv_path, line):
            image = _check_row(line, row, csv_path.parent, labels)
            first = row_of_image.setdefault(image.image.resolve(), line)
            if first != line:
                raise quoting(
                    f"the image is in row {first} already; an image may be named once.",
                    image.name,
                )
        images.append(image)
    return tuple(images)


def _read_rows(path: Path) -> list[tuple[int, dict[str | None, str | None]]]:
    """Returns (line number, row) for every row; the columns are checked."""
    with _naming_line(path):
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream, strict=True)
                _check_columns(reader.fieldnames or ())
                rows = [(reader.line_num, row) for row in reader]
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror}).") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"is not a UTF-8 CSV file ({error}).") from None
        if not rows:
            raise InputError("the cohort has no images; add a row per image.")
    return rows


def _check_columns(found: Sequence[str]) -> None:
    missing = [column for column in _COLUMNS if column not in found]
    extra = [column for column in found if column not in _COLUMNS]
    if not missing and not extra and len(found) == len(_COLUMNS):
        return
    problems = [f"missing: {', '.join(missing)}"] if missing else []
    if extra:
        close = difflib.get_close_matches(extra[0], missing, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        problems.append(f"not known: {len(extra)}{hint}")
    raise quoting(
        f"the first row must name the columns {', '.join(_COLUMNS)}; "
        f"{'; '.join(problems) or 'a column is named twice'}.",
        ", ".join(found),
    )


def _check_row(
    line: int,
    cells: dict[str | None, str | None],
    folder: Path,
    labels: dict[str, str],
) -> CohortImage:
    if None in cells or None in cells.values():
        raise InputError(
            f"must have {len(_COLUMNS)} fields, separated by commas: "
            f"{', '.join(_COLUMNS)}."
        )
    row = {str(column): str(cell).strip() for column, cell in cells.items()}
    for column in _REQUIRED:
        if not row[column]:
            raise InputError(f"the column `{column}` is empty.")
    if row["label"] not in labels:
        positive, negative = labels
        raise quoting(
            f"unknown label; the config names {positive!r} (`cohort.positive`) and "
            f"{negative!r} (`cohort.negative`).",
            row["label"],
        )
    files = {
        column: folder / row[column] for column in ("image", "outline") if row[column]
    }
    for column, path_and_number in files.items():
        file, _ = split_number(path_and_number)
        if not file.is_file():
            raise quoting(f"the {column} file does not exist.", str(file))
    return CohortImage(
        row=line,
        name=row["image"],
        image=files["image"],
        outline=files.get("outline"),
        patient=row["patient"],
        label=labels[row["label"]],
    )
