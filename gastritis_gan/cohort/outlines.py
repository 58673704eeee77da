"""Reads the outline of the organ, from any supported kind of file, as a mask."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from gastritis_gan.cohort.cohort import file_error, quoting, refusing, split_number
from gastritis_gan.cohort.dicom.frames import decode_frame
from gastritis_gan.cohort.dicom.header import (
    FUNCTIONAL_GROUPS,
    macro_of_frame,
    num_frames,
    read_header,
    refusing_dicom,
)
from gastritis_gan.cohort.image_file import is_dicom, is_png_or_tiff, read_grey_file
from gastritis_gan.cohort.polygons import check_size, read_json_outline
from gastritis_gan.errors import InputError

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_NRRD_SUFFIXES = (".nrrd",)
_SEGMENTATION_KEYWORDS = (
    "SOPClassUID",
    "SegmentationType",
    "SegmentSequence",
    "MaximumFractionalValue",
    *FUNCTIONAL_GROUPS,
)
_AXES = ("L", "P", "S")  # the patient's left, back and head
_OPPOSITE = {"L": "R", "P": "A", "S": "I"}
# The patient's spaces of NRRD, and the signs that turn their axes to L, P and S.
_LPS_SIGNS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1, 1, 1)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1, -1, 1)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1, -1, 1)),
}
# Columns to the patient's left, rows to the back or the feet: an image as ITK writes it
# without other knowledge, and a frontal radiograph as it is looked at.
_UPRIGHT = (("L", "P"), ("L", "I"))


def read_outline(
    path: Path, *, shape: tuple[int, ...], image: Path | None = None
) -> np.ndarray:
    """Reads an outline of any supported kind.

    A PNG or TIFF mask, LabelMe or COCO polygons, a DICOM Segmentation, or a NIfTI or
    NRRD mask. In masks, whatever is not 0 is the organ.

    Args:
        path: The file, with `#` and a number where it holds several outlines: the `id`
            of a COCO image, the number of a DICOM segment.
        shape: Height and width of the image in pixels.
        image: The image, to compare it with the one that a DICOM Segmentation names.

    Returns:
        ndarray of bool of shape `shape`, True inside the organ.

    Raises:
        InputError: The file cannot be read, is of another kind, size or orientation, or
            is empty.
    """
    path, number = split_number(path)
    mask = _read(path, number, shape=shape, image=image)
    try:
        check_size(mask.shape, shape)
    except InputError as error:
        raise file_error(path, error) from None
    if not mask.any():
        raise file_error(
            path,
            "the outline is empty; mark the organ with values above 0, or draw a "
            "polygon around it.",
        )
    return mask


def _read(
    path: Path, number: int | None, *, shape: tuple[int, ...], image: Path | None
) -> np.ndarray:
    name = path.name.lower()
    if name.endswith(".json"):
        return read_json_outline(path, number, shape=shape)
    if is_dicom(path):
        source = split_number(image)[0] if image is not None else None
        if source is not None and not is_dicom(source):
            source = None
        return _read_segmentation(path, number, image=source)
    if number is not None:
        raise file_error(path, f"holds one outline, so {number} names nothing in it.")
    if is_png_or_tiff(path):
        mask: np.ndarray = read_grey_file(path) != 0
        return mask
    if name.endswith(_NIFTI_SUFFIXES):
        return _read_nifti(path, shape=shape)
    if name.endswith(_NRRD_SUFFIXES):
        return _read_nrrd(path, shape=shape)
    raise file_error(
        path,
        "an outline must be a PNG or TIFF mask, LabelMe or COCO polygons (.json), a "
        "DICOM Segmentation, or a NIfTI (.nii, .nii.gz) or NRRD mask (.nrrd).",
    )


def _read_segmentation(
    path: Path, segment: int | None, *, image: Path | None
) -> np.ndarray:
    """Reads one segment, which must be a single frame.

    Args:
        path: The file.
        segment: SegmentNumber; needed where there are several.
        image: The image; where it is DICOM and the segment names the image that it
            was drawn on, they must agree.

    Returns:
        ndarray of bool of shape (height, width).

    Raises:
        InputError: The file is not a Segmentation, is damaged, has several frames for
            the segment or was drawn on another image.
    """
    header = read_header(path, _SEGMENTATION_KEYWORDS)
    with refusing_dicom(path, "cannot be read as a DICOM Segmentation"):
        if header.get("SOPClassUID") != SegmentationStorage:
            raise InputError("is a DICOM file but not a Segmentation (0008,0016).")
        frame = _frame_of(header, _chosen_segment(header, segment))
        if image is not None:
            _check_source(header, frame, image)
    values, _ = decode_frame(path, header, frame=frame)
    if header.get("SegmentationType") == "FRACTIONAL":
        # half of the maximum (PS3.3 C.8.20.2) or more is inside
        inside: np.ndarray = values >= int(header.MaximumFractionalValue) / 2
    else:
        inside = values != 0
    return inside


def _chosen_segment(header: Dataset, segment: int | None) -> int:
    numbers = [int(item.SegmentNumber) for item in header.get("SegmentSequence") or []]
    if segment is None and len(numbers) == 1:
        return numbers[0]
    if segment not in numbers:
        raise InputError(
            f"(0062,0002) SegmentSequence has the segments {numbers}; name one of them "
            "by its number after the file name, as in 'outline.dcm#1'."
        )
    return segment


def _frame_of(header: Dataset, segment: int) -> int:
    frames = []
    for frame in range(1, num_frames(header) + 1):
        item = macro_of_frame(header, "SegmentIdentificationSequence", frame=frame)
        if item is None:
            raise InputError("has no (0062,000A) SegmentIdentificationSequence.")
        if item.ReferencedSegmentNumber == segment:
            frames.append(frame)
    if len(frames) != 1:
        raise InputError(
            f"segment {segment} has {len(frames)} frames; the outline of a radiograph "
            "has one."
        )
    return frames[0]


def _check_source(header: Dataset, frame: int, image: Path) -> None:
    """Refuses a segment that names other images than `image` as its source."""
    derivation = macro_of_frame(header, "DerivationImageSequence", frame=frame)
    sources = (derivation or Dataset()).get("SourceImageSequence") or []
    stated = {source.get("ReferencedSOPInstanceUID") for source in sources}
    found = read_header(image, ("SOPInstanceUID",)).get("SOPInstanceUID")
    if stated and found not in stated:
        raise InputError(
            "was drawn on another image: its (0008,2112) SourceImageSequence does not "
            "name this one."
        )


def _read_nifti(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    nibabel = _import("nibabel")
    with refusing(path, "cannot be read as NIfTI", logger="nibabel.global"):
        file = nibabel.load(path)
        _check_is_plane(file.shape, shape)
        if file.header["sform_code"] or file.header["qform_code"]:
            to_lps = np.diag([-1.0, -1.0, 1.0])  # NIfTI's axes are right, front, head
            _check_is_upright((to_lps @ file.affine[:3, :3]).T)
        return _as_mask(file.dataobj)


def _read_nrrd(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    nrrd = _import("nrrd")
    with refusing(path, "cannot be read as NRRD"), path.open("rb") as stream:
        header = nrrd.read_header(stream)
        if "data file" in header or "datafile" in header:
            raise InputError("keeps its pixels in another file; save them in one.")
        _check_is_plane(tuple(int(size) for size in header["sizes"]), shape)
        space = str(header.get("space", "")).lower()
        if space and "space directions" in header:
            if space not in _LPS_SIGNS:
                raise quoting("states a space that is not the patient's.", space)
            directions = np.asarray(header["space directions"], np.float64)
            _check_is_upright(directions * _LPS_SIGNS[space])
        return _as_mask(nrrd.read_data(header, stream, str(path)))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"NIfTI and NRRD outlines need the package {name}, which is not installed; "
            "pip install 'gastritis-gan[outlines]'."
        ) from None


def _check_is_plane(sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Sizes are those of columns, rows and whatever else, which must be 1."""
    if len(sizes) < 2 or any(size != 1 for size in sizes[2:]):
        raise InputError(
            f"the outline has the sizes {' x '.join(str(size) for size in sizes)}; it "
            "must be one plane."
        )
    check_size((sizes[1], sizes[0]), shape)


def _check_is_upright(directions: np.ndarray) -> None:
    """Refuses a mask that states another orientation than the image is read in.

    Args:
        directions: ndarray of float: for each axis of the array, the step in LPS.
    """
    letters = []
    for step in directions[:2]:
        axis = int(np.argmax(np.abs(step)))
        letter = _AXES[axis]
        letters.append(letter if step[axis] > 0 else _OPPOSITE[letter])
    if tuple(letters) not in _UPRIGHT:
        raise InputError(
            f"states an orientation ({' and '.join(letters)} for columns and rows) in "
            "which it would be turned or mirrored; columns must go to the patient's L "
            "and rows to P or I, or no orientation be stated."
        )


def _as_mask(plane: Any) -> np.ndarray:
    values = np.asarray(plane)
    if values.dtype.kind not in "buif":
        raise InputError(f"holds {values.dtype}, not numbers.")
    mask: np.ndarray = values.reshape(values.shape[:2]).T != 0  # columns came first
    return mask
