"""Drafts a cohort file from whatever a folder or a PACS export holds."""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from gastritis_gan.cohort.cohort import CohortError, quiet, split_number
from gastritis_gan.cohort.dicom.header import is_greyscale, num_frames
from gastritis_gan.cohort.image_file import is_dicom
from gastritis_gan.errors import InputError
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import refuse_existing, write_bytes

_MOST_FRAMES = 10_000  # a row of the draft each; beyond it the number is damage
_OUTLINE_SUFFIXES = (".png", ".tif", ".tiff", ".json", ".nii", ".nii.gz", ".nrrd")
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
        rows: One (image, patient, outline) per image; paths as the cohort file writes
            them, an empty text for what was not found.
        left_out: Every other file, with the reason it is not an image of the cohort.
        ambiguous: Number of images with several candidates for their outline.
    """

    path: Path
    left_out_path: Path
    rows: tuple[tuple[str, str, str], ...] = dataclasses.field(repr=False)
    left_out: tuple[tuple[str, str], ...] = dataclasses.field(repr=False)
    ambiguous: int

    @property
    def summary(self) -> str:
        """The numbers of images, of what is missing and of what was left out."""
        patients = collections.Counter(patient for _, patient, _ in self.rows)
        no_patient = patients.pop("", 0)
        no_outline = sum(not outline for _, _, outline in self.rows)
        lines = [
            f"{_count(len(self.rows), 'image')} of {_count(len(patients), 'patient')}.",
            "Missing:",
            f"  label    {_count(len(self.rows), 'image')}: fill the column in",
        ]
        if no_patient:
            lines.append(f"  patient  {_count(no_patient, 'image')} without PatientID")
        if no_outline:
            lines.append(
                f"  outline  {_count(no_outline, 'image')}, {self.ambiguous:,} of them "
                "with several candidates"
            )
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
    patient: str
    uid: str


def draft_cohort(
    folder: str | os.PathLike[str], out: str | os.PathLike[str]
) -> CohortDraft:
    """Drafts a cohort file from a folder and all folders below it.

    An image is a greyscale frame of a DICOM file; its pixels are not decoded. Of a file
    with several frames each gets a row, `file#1`, `file#2` and so on. Its patient is
    PatientID. Its outline is the file with its stem (of a frame: `file#2`) and the
    suffix of a mask: the only one in the same folder, or else the only one anywhere, if
    no other image has that stem. Labels are nowhere in a header and stay for the user.

    Args:
        folder: Where to look; links to folders are not followed.
        out: The cohort file to write; its paths are relative to it. Files that are not
            in the draft are listed in NAME_left_out.csv beside it, with the reasons.

    Returns:
        What was written.

    Raises:
        InputError: `folder` is not a folder, or holds no image; `out` or the list
            exists already, or their folder does not.

    Example:
        >>> draft = gg.draft_cohort("cohorts/phantom", "cohorts/draft.csv")
        >>> len(draft.rows)
        12
    """
    folder, csv_path = Path(folder), Path(out)
    left_out_path = csv_path.with_name(f"{csv_path.stem}_left_out.csv")
    for path in (csv_path, left_out_path):
        refuse_existing(path)
    if not csv_path.parent.is_dir():
        raise InputError(f"{csv_path.parent} does not exist; make the folder first.")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.")
    images: list[_Image] = []
    others: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    path_of_uid: dict[str, Path] = {}
    files = sorted(_files_below(folder))
    with progress_bar(total=len(files), description="cohort", unit="file") as bar:
        for path in files:
            found = _read_header(path)
            bar.update()
            if found is None:
                others.append(path)
            elif isinstance(found, str):
                left_out.append((path, found))
            elif path_of_uid.setdefault(found[0].uid or str(path), path) != path:
                left_out.append((path, "the same image (SOPInstanceUID) as another"))
            else:
                images += found
    if not images:
        raise InputError(
            f"{folder} holds no DICOM file with a greyscale image (files in it: "
            f"{len(files)}). Write {csv_path.name} by hand for PNG or TIFF images."
        )
    outlines, ambiguous = _match_outlines(images, others)
    used = set(outlines.values())
    left_out += [
        (path, "not DICOM, and not the outline of one image")
        for path in others
        if path not in used
    ]
    base = csv_path.parent
    draft = CohortDraft(
        path=csv_path,
        left_out_path=left_out_path,
        rows=tuple(
            (
                _relative(image.path, base),
                image.patient,
                _relative(outlines[image.path], base) if image.path in outlines else "",
            )
            for image in images
        ),
        left_out=tuple((_relative(path, base), reason) for path, reason in left_out),
        ambiguous=ambiguous,
    )
    if draft.left_out:
        _write_csv(left_out_path, [("file", "reason"), *draft.left_out])
    rows = [(image, patient, "", outline) for image, patient, outline in draft.rows]
    _write_csv(csv_path, [("image", "patient", "label", "outline"), *rows])
    return draft


def _write_csv(path: Path, rows: list[tuple[str, ...]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerows(rows)
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


def _match_outlines(
    images: list[_Image], others: list[Path]
) -> tuple[dict[Path, Path], int]:
    """Returns the outline of every image that has one, and how many have several."""
    candidates: dict[str, list[Path]] = collections.defaultdict(list)
    for path in others:
        for suffix in _OUTLINE_SUFFIXES:
            if path.name.lower().endswith(suffix):
                candidates[path.name[: -len(suffix)]].append(path)
    num_images = collections.Counter(_stem(image.path) for image in images)
    outlines: dict[Path, Path] = {}
    ambiguous = 0
    for image in images:
        stem = _stem(image.path)
        near = [p for p in candidates[stem] if p.parent == image.path.parent]
        found = near or (candidates[stem] if num_images[stem] == 1 else [])
        if len(found) == 1:
            outlines[image.path] = found[0]
        ambiguous += len(found) > 1
    return outlines, ambiguous


def _stem(path: Path) -> str:
    """Returns a name without .dcm; that of a PACS export may be 1.2.840.113.7."""
    file, frame = split_number(path)
    name = file.name
    stem = name[:-4] if name.lower().endswith((".dcm", ".ima")) else name
    return stem if frame is None else f"{stem}#{frame}"


def _relative(path: Path, base: Path) -> str:
    return Path(os.path.relpath(path, base)).as_posix()
