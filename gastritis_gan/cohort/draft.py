"""Drafts a cohort file from whatever a folder or a PACS export holds."""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from gastritis_gan.cohort.cohort import (
    COLUMNS,
    SPLIT_COLUMN,
    CohortError,
    quiet,
    split_number,
)
from gastritis_gan.cohort.dicom.header import is_greyscale, num_frames
from gastritis_gan.cohort.image_file import is_dicom, read_grey_file
from gastritis_gan.cohort.label_table import IDENTIFIERS, join_labels
from gastritis_gan.errors import InputError
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import private_files, refuse_existing, write_bytes

_MOST_FRAMES = 10_000  # a row of the draft each; beyond it the number is damage
_RASTER_SUFFIXES = (".png", ".tif", ".tiff")
_IMAGE_SUFFIXES = (".dcm", ".ima", *_RASTER_SUFFIXES)
_OUTLINE_SUFFIXES = (*_RASTER_SUFFIXES, ".json", ".nii", ".nii.gz", ".nrrd")
_OUTLINE_WORD = re.compile(
    r"[-_. ](masks?|outlines?|seg|segmentations?|labels?|annotations?|maps?|rois?)$",
    re.IGNORECASE,
)
_LEVELS_OF_A_MASK = 2
_KEYWORDS = (
    "PatientID",
    "SOPClassUID",
    "SOPInstanceUID",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortDraft:
    """A drafted cohort file.

    Attributes:
        path: The cohort file.
        left_out_path: The list of what is not in it; written if something is not.
        columns: The columns of the cohort file.
        rows: The cells of each image; paths as the cohort file writes them, an empty
            text for what was not found.
        left_out: Every other file, with the reason it is not an image of the cohort.
        ambiguous: Number of images with several candidates for their outline.
        table: What became of the table of labels, empty without one.
    """

    path: Path
    left_out_path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = dataclasses.field(repr=False)
    left_out: tuple[tuple[str, str], ...] = dataclasses.field(repr=False)
    ambiguous: int
    table: str = ""

    @property
    def summary(self) -> str:
        """The numbers of images, of what is missing and of what was left out."""
        patients = {row[self.columns.index("patient")] for row in self.rows} - {""}
        lines = [
            f"{_count(len(self.rows), 'image')} of {_count(len(patients), 'patient')}."
        ]
        if self.table:
            lines.append(self.table)
        notes = {
            "label": ": fill the column in",
            "patient": " without PatientID: fill the column in",
            "outline": f", {self.ambiguous:,} of them with several candidates",
            SPLIT_COLUMN: ": fill the column in",
        }
        missing = []
        for column, note in notes.items():
            if column in self.columns:
                position = self.columns.index(column)
                number = sum(not row[position] for row in self.rows)
                if number:
                    missing.append(f"  {column:7}  {_count(number, 'image')}{note}")
        if missing:
            lines += ["Missing:", *missing]
        reasons = collections.Counter(reason for _, reason in self.left_out)
        lines += [
            f"Left out: {_count(number, 'file')}: {reason}"
            for reason, number in reasons.most_common()
        ]
        return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Image:
    path: Path  # with `#` and its number, where it is one of several frames
    patient: str = ""
    uid: str = ""

    def identifiers(self) -> dict[str, str]:
        """Returns what a table may call it by."""
        file, _ = split_number(self.path)
        names = (self.path.absolute().as_posix(), self.uid, file.name, _stem(file))
        return dict(zip(IDENTIFIERS, (*names, self.patient), strict=True))


def draft_cohort(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
    key: str | None = None,
) -> CohortDraft:
    """Drafts a cohort file from a folder and all folders below it.

    An image is a greyscale frame of a DICOM file, whose pixels are not decoded, or a
    greyscale PNG or TIFF file with more than two grey levels that is not called a mask.
    Of a file with several frames each gets a row, `file#1`, `file#2` and so on. Its
    patient is PatientID. Its outline is the file with its stem (of a frame: `file#2`;
    with or without a word like `_mask`) and the suffix of a mask: the only one in the
    same folder, or else in the nearest folder above where it is the only one and no
    other image has that stem. Labels come from a table, or stay for the user.

    Args:
        folder: Where to look; links to folders are not followed.
        out: The cohort file to write; its paths are relative to it. Files that are not
            in the draft are listed in NAME_left_out.csv beside it, with the reasons.
        labels: A table (CSV) with a column `label` or `class`; its columns `patient`
            and `split` are used too, and go before what the images state.
        key: The column of the table that names images: by path, SOPInstanceUID, file
            name with or without suffix, or PatientID.

    Returns:
        What was written.

    Raises:
        InputError: `folder` is not a folder, or holds no image; `out` or the list
            exists already, or their folder does not; the table cannot be used.

    Example:
        >>> draft = gg.draft_cohort("cohorts/phantom", "cohorts/draft.csv")
        >>> len(draft.rows)
        12
    """
    folder, csv_path = Path(folder), Path(out)
    left_out_path = csv_path.with_name(f"{csv_path.stem}_left_out.csv")
    if (labels is None) != (key is None):
        raise InputError("a table of labels needs the name of its key column (--key).")
    for path in (csv_path, left_out_path):
        refuse_existing(path)
    if not csv_path.parent.is_dir():
        raise InputError(f"{csv_path.parent} does not exist; make the folder first.")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.")
    images, others, left_out = _sort_files(
        folder, not_in=None if labels is None else Path(labels)
    )
    if not images:
        raise InputError(
            f"{folder} holds no DICOM file, PNG or TIFF with a greyscale image (files "
            f"in it: {len(others) + len(left_out)})."
        )
    outlines, ambiguous = _match_outlines(images, others, folder)
    used = set(outlines.values())
    left_out += [
        (path, "not DICOM, and not the outline of one image")
        for path in others
        if path not in used
    ]
    base = csv_path.parent
    rows = [
        dict.fromkeys(COLUMNS, "")
        | {"image": _relative(image.path, base), "patient": image.patient}
        | (
            {"outline": _relative(outlines[image.path], base)}
            if image.path in outlines
            else {}
        )
        for image in images
    ]
    table = ""
    if labels is not None and key is not None:
        names = [image.identifiers() for image in images]
        joined = join_labels(Path(labels), key, names)
        for row, cells in zip(rows, joined.cells, strict=True):
            row |= dict.fromkeys(joined.columns, "") | row
            row |= {column: cell for column, cell in cells.items() if cell}
        found = sum(map(bool, joined.cells))
        table = (
            f"Table of labels: names {found:,} of {_count(len(images), 'image')} by "
            f"{joined.identifier}; rows that name none: {joined.unused:,}."
        )
    draft = CohortDraft(
        path=csv_path,
        left_out_path=left_out_path,
        columns=tuple(rows[0]),
        rows=tuple(tuple(row.values()) for row in rows),
        left_out=tuple((_relative(path, base), reason) for path, reason in left_out),
        ambiguous=ambiguous,
        table=table,
    )
    if draft.left_out:
        _write_csv(left_out_path, [("file", "reason"), *draft.left_out])
    try:
        _write_csv(csv_path, [draft.columns, *draft.rows])
    except InputError:
        left_out_path.unlink(missing_ok=True)
        raise
    return draft


def _sort_files(
    folder: Path, *, not_in: Path | None
) -> tuple[list[_Image], list[Path], list[tuple[Path, str]]]:
    """Returns the images, what may be outlines, and what was left out and why.

    Args:
        folder: Where to look.
        not_in: A file of the user's that may lie there.
    """
    images: list[_Image] = []
    rasters: list[Path] = []
    others: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    path_of_uid: dict[str, Path] = {}
    own = not_in and not_in.resolve()
    files = [p for p in sorted(_files_below(folder)) if p.resolve() != own]
    with progress_bar(total=len(files), description="cohort", unit="file") as bar:
        for path in files:
            found = _read_header(path)
            bar.update()
            if found is None:
                is_raster = path.name.lower().endswith(_RASTER_SUFFIXES)
                (rasters if is_raster else others).append(path)
            elif isinstance(found, str):
                left_out.append((path, found))
            elif path_of_uid.setdefault(found[0].uid or str(path), path) != path:
                left_out.append((path, "the same image (SOPInstanceUID) as another"))
            else:
                images += found
    stems = {_stem(image.path) for image in images}  # of DICOM: theirs are outlines
    for path in rasters:
        if _stem(path) in stems or _is_called_outline(path, folder):
            others.append(path)
            continue
        try:
            pixels = read_grey_file(path)
        except CohortError as error:
            left_out.append((path, error.public.rstrip(".")))
            continue
        if np.unique(pixels).size > _LEVELS_OF_A_MASK:
            images.append(_Image(path=path))
        else:
            others.append(path)
    return images, others, left_out


def _write_csv(path: Path, rows: list[tuple[str, ...]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
    with private_files(path.parent):
        write_bytes(path, stream.getvalue().encode(errors="backslashreplace"))


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _read_header(path: Path) -> list[_Image] | str | None:
    """Returns a file's frames, why it has none, or None for what is not DICOM."""
    if not str(path).isprintable():
        return "its name cannot be written to a CSV file"
    try:
        if not is_dicom(path):
            return None
    except CohortError as error:
        return error.public.rstrip(".")
    try:
        with quiet("pydicom"):
            header = pydicom.dcmread(
                path, specific_tags=list(_KEYWORDS), stop_before_pixels=True
            )
            return _reason(header) or [
                _Image(
                    path=frame,
                    patient=str(header.get("PatientID") or "").strip(),
                    uid=str(header.get("SOPInstanceUID") or ""),
                )
                for frame in _frames(path, num_frames(header))
            ]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - damage surfaces as any exception
        return "damaged DICOM"


def _frames(path: Path, number: int) -> list[Path]:
    """Returns how the cohort file names each frame."""
    if number == 1:
        return [path]
    return [path.with_name(f"{path.name}#{frame + 1}") for frame in range(number)]


def _reason(header: Dataset) -> str:
    """Returns why a DICOM file holds no greyscale image, or nothing."""
    if not (header.get("Rows") and header.get("Columns")):
        return "DICOM without an image"
    if header.get("SOPClassUID") == SegmentationStorage:
        return "DICOM segmentation: enter it by hand if it is an outline"
    if not 1 <= num_frames(header) <= _MOST_FRAMES:
        return f"DICOM with a number of frames that is not 1 to {_MOST_FRAMES}"
    return "" if is_greyscale(header) else "DICOM in colour"


def _is_called_outline(path: Path, folder: Path) -> bool:
    """Whether a name, or that of a folder below `folder`, says that it is a mask."""
    folders = path.relative_to(folder).parts[:-1]
    return bool(
        _OUTLINE_WORD.search(_stem(path))
        or any(_OUTLINE_WORD.search(f"_{name}") for name in folders)
    )


def _match_outlines(
    images: list[_Image], others: list[Path], folder: Path
) -> tuple[dict[Path, Path], int]:
    """Returns the outline of every image that has one, and how many have several."""
    # by folder, whatever lies below it, and stem
    candidates: dict[tuple[Path, str], list[Path]] = collections.defaultdict(list)
    for path in others:
        for suffix in _OUTLINE_SUFFIXES:
            if path.name.lower().endswith(suffix):
                stem = path.name[: -len(suffix)]
                for name in {stem, _OUTLINE_WORD.sub("", stem)}:
                    for parent in _folders_of(path, folder):
                        candidates[parent, name].append(path)
    num_images = collections.Counter(
        (parent, _stem(image.path))
        for image in images
        for parent in _folders_of(image.path, folder)
    )
    outlines: dict[Path, Path] = {}
    ambiguous = 0
    for image in images:
        stem = _stem(image.path)
        nearest = next(
            (p for p in _folders_of(image.path, folder) if (p, stem) in candidates),
            folder,
        )
        found = candidates.get((nearest, stem), [])
        beside = [path for path in found if path.parent == image.path.parent]
        if not beside and num_images[nearest, stem] > 1:
            continue
        found = beside or found
        if len(found) == 1:
            outlines[image.path] = found[0]
        ambiguous += len(found) > 1
    return outlines, ambiguous


def _folders_of(path: Path, folder: Path) -> list[Path]:
    """Returns the folder that a file lies in, and those above it up to `folder`."""
    parents = list(path.parents)
    return parents[: parents.index(folder) + 1]


def _stem(path: Path) -> str:
    """Returns a name without .dcm or .png; that of a PACS export may be 1.2.840.7."""
    file, frame = split_number(path)
    name = file.name
    suffix = next((s for s in _IMAGE_SUFFIXES if name.lower().endswith(s)), "")
    stem = name[: len(name) - len(suffix)]
    return stem if frame is None else f"{stem}#{frame}"


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()
