"""The cohort file: one row per image, checked as a whole before any work starts."""

from __future__ import annotations

import csv
import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path

from gastritis_gan.cohort.cohort_error import csv_error
from gastritis_gan.cohort.numbered_path import split_number

COHORT_FILE = "cohort.csv"
_REQUIRED = ("image", "patient", "label")
_COLUMNS = (*_REQUIRED, "outline")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortImage:
    """One row of the cohort.

    Attributes:
        row: Its line in the cohort file, from 1.
        name: The image as the cohort file writes it.
        image: The image file, with `#` and a number where it names a frame
            (`numbered_path.split_number` separates them).
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cohort:
    """A checked cohort.

    Attributes:
        positive: What the cohort file calls the positive class.
        negative: What it calls the negative class.
        images: Its rows, in the file's order.
    """

    positive: str
    negative: str
    images: tuple[CohortImage, ...]


def read_cohort(path: Path, *, positive: str, negative: str) -> Cohort:
    """Reads a cohort and checks every row.

    Args:
        path: The cohort file, or the folder that holds it as `cohort.csv`.
        positive: Label of the positive class in the file.
        negative: Label of the negative class in the file.

    Raises:
        InputError: The file cannot be read, has other columns than image, patient,
            label and outline, has no rows, or a row has no image, patient or label, an
            unknown label, a file that does not exist or an image that another row has
            already.
    """
    csv_path = path / COHORT_FILE if path.is_dir() else path
    labels = {positive: "positive", negative: "negative"}
    images: list[CohortImage] = []
    row_of_image: dict[Path, int] = {}
    for line, row in _rows(csv_path):
        for column in _REQUIRED:
            if not row[column]:
                raise csv_error(csv_path, line, f"the column `{column}` is empty.")
        if row["label"] not in labels:
            raise csv_error(
                csv_path,
                line,
                f"unknown label; the config names {positive!r} (`cohort.positive`) and "
                f"{negative!r} (`cohort.negative`).",
                quote=row["label"],
            )
        files = {
            column: csv_path.parent / row[column]
            for column in ("image", "outline")
            if row[column]
        }
        for column, path_and_number in files.items():
            file, _ = split_number(path_and_number)
            if not file.is_file():
                problem = f"the {column} file does not exist."
                raise csv_error(csv_path, line, problem, quote=str(file))
        resolved = files["image"].resolve()
        if resolved in row_of_image:
            raise csv_error(
                csv_path,
                line,
                f"the image is in row {row_of_image[resolved]} already; an image may "
                "be named once.",
                quote=row["image"],
            )
        row_of_image[resolved] = line
        images.append(
            CohortImage(
                row=line,
                name=row["image"],
                image=files["image"],
                outline=files.get("outline"),
                patient=row["patient"],
                label=labels[row["label"]],
            )
        )
    if not images:
        raise csv_error(
            csv_path, None, "the cohort has no images; add a row per image."
        )
    return Cohort(positive=positive, negative=negative, images=tuple(images))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Returns (line number, row) for every row; the columns are checked."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            _check_columns(path, reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise csv_error(path, None, f"cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise csv_error(path, None, f"is not a UTF-8 CSV file ({error}).") from None
    for line, row in rows:
        if None in row or None in row.values():
            raise csv_error(
                path,
                line,
                f"must have {len(_COLUMNS)} fields, separated by commas: "
                f"{', '.join(_COLUMNS)}.",
            )
    return [
        (line, {key: value.strip() for key, value in row.items()}) for line, row in rows
    ]


def _check_columns(path: Path, found: Sequence[str]) -> None:
    missing = [column for column in _COLUMNS if column not in found]
    extra = [column for column in found if column not in _COLUMNS]
    if not missing and not extra and len(found) == len(_COLUMNS):
        return
    problems = [f"missing: {', '.join(missing)}"] if missing else []
    if extra:
        close = difflib.get_close_matches(extra[0], missing, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        problems.append(f"not known: {len(extra)}{hint}")
    raise csv_error(
        path,
        None,
        f"the first row must name the columns {', '.join(_COLUMNS)}; "
        f"{'; '.join(problems) or 'a column is named twice'}.",
        quote=", ".join(found),
    )
