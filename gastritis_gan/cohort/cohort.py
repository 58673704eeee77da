"""The cohort file, one row per image, and the errors that name a row or a file."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import logging
import os
import re
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from gastritis_gan.cohort.table import RowError, Table, read_table
from gastritis_gan.errors import InputError

COHORT_FILE = "cohort.csv"
COLUMNS = ("image", "patient", "label", "outline")
SPLIT_COLUMN = "split"
_SPLITS = ("train", "test", "validation")


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
    if match is None or _is_file(path):
        return path, None
    return path.with_name(match[1]), int(match[2])


def _is_file(path: Path) -> bool:
    """Whether there is a file; a text that is too long to be a path names none."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


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
        patient: The patient, as `patient_form` writes it.
        label: "positive" or "negative".
        split: "train", "test" or "validation"; None where the cohort file has no
            column `split`.
    """

    row: int
    name: str
    image: Path
    outline: Path | None
    patient: str
    label: str
    split: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cohort:
    """A cohort file.

    Attributes:
        images: Its rows, in the file's order.
        notes: What a person should look at, a sentence each, which names rows only.
    """

    images: tuple[CohortImage, ...]
    notes: tuple[str, ...]


def read_cohort(
    path: str | os.PathLike[str], *, positive: str, negative: str
) -> Cohort:
    """Reads a cohort and checks every row.

    Args:
        path: The cohort file, or the folder that holds it as `cohort.csv`.
        positive: Label of the positive class in the file.
        negative: Label of the negative class in the file.

    Raises:
        InputError: The file cannot be read, lacks a column, has no rows, or a row has
            no image, patient or label, an unknown label or split, a file that does not
            exist, an image that another row has already, or a patient that another row
            assigns to another split.
    """
    csv_path = Path(path)
    if csv_path.is_dir():
        csv_path /= COHORT_FILE
    labels = {positive: "positive", negative: "negative"}
    images: list[CohortImage] = []
    row_of_image: dict[Path, int] = {}
    first_of_patient: dict[str, CohortImage] = {}
    forms: dict[str, dict[str, list[int]]] = collections.defaultdict(dict)
    table = _read_table(csv_path)
    for line, row in table.rows:
        with _naming_line(csv_path, line):
            image = _check_row(line, row, csv_path.parent, labels)
            first = row_of_image.setdefault(image.image.resolve(), line)
            if first != line:
                raise quoting(
                    f"the image is in row {first} already; an image may be named once.",
                    image.name,
                )
            before = first_of_patient.setdefault(image.patient, image)
            if before.split != image.split:
                raise InputError(
                    f"`split` is {image.split}, but {before.split} for the same "
                    f"patient in row {before.row}; a patient is on one side."
                )
        images.append(image)
        forms[image.patient].setdefault(row["patient"], []).append(line)
    return Cohort(images=tuple(images), notes=tuple(_notes(table, images, forms)))


def patient_form(text: str) -> str:
    """Returns the one form in which a patient's name or number is compared.

    Unicode NFKC (so a name from a Mac, or digits of full width, are those of others),
    without invisible characters, with single spaces.
    """
    visible = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).split())


def row_ranges(rows: Iterable[int]) -> str:
    """Returns numbers in ascending order as in "2, 5-9"."""
    groups: list[list[int]] = []
    for number in sorted(rows):
        if groups and groups[-1][-1] == number - 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in groups)


def _read_table(path: Path) -> Table:
    try:
        table = read_table(path, required=COLUMNS, optional=(SPLIT_COLUMN,))
        if not table.rows:
            raise InputError("the cohort has no images; add a row per image.")
    except InputError as error:
        with _naming_line(path, error.line if isinstance(error, RowError) else None):
            raise
    return table


def _check_row(
    line: int, row: dict[str, str], folder: Path, labels: dict[str, str]
) -> CohortImage:
    patient = patient_form(row["patient"])
    for column, cell in {**row, "patient": patient}.items():
        if not cell and column != "outline":
            raise InputError(f"the column `{column}` is empty.")
    if row["label"] not in labels:
        positive, negative = labels
        raise quoting(
            f"unknown label; the config names {positive!r} (`cohort.positive`) and "
            f"{negative!r} (`cohort.negative`).",
            row["label"],
        )
    split = row.get(SPLIT_COLUMN)
    if split is not None and split.lower() not in _SPLITS:
        raise quoting(f"`split` must be one of {', '.join(_SPLITS)}.", split)
    files = {
        column: folder / row[column] for column in ("image", "outline") if row[column]
    }
    for column, path_and_number in files.items():
        try:
            file, _ = split_number(path_and_number)
            is_there = _is_file(file)
        except OSError as error:
            problem = f"the {column} file cannot be reached ({error.strerror})."
            raise quoting(problem, str(path_and_number)) from None
        if not is_there:
            raise quoting(f"the {column} file does not exist.", str(file))
    return CohortImage(
        row=line,
        name=row["image"],
        image=files["image"],
        outline=files.get("outline"),
        patient=patient,
        label=labels[row["label"]],
        split=split and split.lower(),
    )


def _notes(
    table: Table, images: list[CohortImage], forms: dict[str, dict[str, list[int]]]
) -> Iterator[str]:
    """Names what a person should look at, by the rows and columns of the file.

    Args:
        table: The cohort file.
        images: Its rows.
        forms: By patient, the rows of each text that means this patient.
    """
    if table.ignored:
        hint = f" Did you mean `{table.hints[0]}`?" if table.hints else ""
        yield (
            "Columns of the cohort file that are not used: "
            f"{row_ranges(table.ignored)}.{hint}"
        )
    alike: dict[str, list[str]] = collections.defaultdict(list)
    for patient in forms:
        alike[_without_details(patient)].append(patient)
    rows_of_outline: dict[Path, list[int]] = collections.defaultdict(list)
    for image in images:
        if image.outline is not None:
            rows_of_outline[image.outline.resolve()].append(image.row)
    for problem, groups in (
        (
            "write their patient in several ways (forms of Unicode, or spaces); all "
            "count as one patient",
            [
                [row for rows in texts.values() for row in rows]
                for texts in forms.values()
                if len(texts) > 1
            ],
        ),
        (
            "name patients that differ only in capitals, separators or leading zeros; "
            "they count as different ones",
            [
                [row for p in patients for rows in forms[p].values() for row in rows]
                for patients in alike.values()
                if len(patients) > 1
            ],
        ),
        (
            "share their outline file; look whether it is that of each",
            [rows for rows in rows_of_outline.values() if len(rows) > 1],
        ),
    ):
        if groups:
            yield (
                f"{sum(map(len, groups))} of {len(images)} images {problem}. Rows of "
                f"the cohort file: {'; '.join(map(row_ranges, groups))}"
            )


def _without_details(patient: str) -> str:
    """Returns what stays of a patient's number when a spreadsheet has had it."""
    text = re.sub(r"\.0+$", "", patient.casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", "-", text))
