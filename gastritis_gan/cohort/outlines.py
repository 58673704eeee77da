"""Reads the outline of the organ, from any supported kind of file, as a mask."""

from __future__ import annotations

import dataclasses
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
    values_of,
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
    "ReferencedSeriesSequence",
    *FUNCTIONAL_GROUPS,
)
# Macros of PS3.3 C.7.6.16.2 that state where pixels lie; single frames have no macro.
_GEOMETRY = {
    "PlaneOrientationSequence": "ImageOrientationPatient",
    "PlanePositionSequence": "ImagePositionPatient",
    "PixelMeasuresSequence": "PixelSpacing",
}
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
    NRRD mask. A mask is 0 outside the organ and any one positive number inside.

    Args:
        path: The file, with `#` and a number where it holds several outlines: the `id`
            of a COCO image, the number of a DICOM segment.
        shape: Height and width of the image in pixels.
        image: The image, with `#` and the number of its frame where it has several, to
            compare it with the one that a DICOM Segmentation names.

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
        return _read_segmentation(path, number, image=image)
    if number is not None:
        raise file_error(path, f"holds one outline, so {number} names nothing in it.")
    if is_png_or_tiff(path):
        pixels = read_grey_file(path)
        with refusing(path, "cannot be read as a mask"):
            check_size(pixels.shape, shape)
            return _as_mask(pixels)
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
    """Reads one segment, as it was drawn on one image.

    Args:
        path: The file.
        segment: SegmentNumber; needed where there are several.
        image: The image and its frame; where it is DICOM, the segment must name it,
            and their geometries must agree where both have one.

    Returns:
        ndarray of bool of shape (height, width).

    Raises:
        InputError: The file is not a Segmentation, is damaged, has several frames for
            the segment, or was drawn on another image.
    """
    source = None
    if image is not None and is_dicom(split_number(image)[0]):
        source = _Source.read(image)
    header = read_header(path, _SEGMENTATION_KEYWORDS)
    with refusing_dicom(path, "cannot be read as a DICOM Segmentation"):
        if header.get("SOPClassUID") != SegmentationStorage:
            raise InputError("is a DICOM file but not a Segmentation (0008,0016).")
        kind = header.get("SegmentationType")
        if kind not in ("BINARY", "FRACTIONAL"):
            raise quoting("(0062,0001) must be BINARY or FRACTIONAL.", kind)
        half = 0.5
        if kind == "FRACTIONAL":  # half of the maximum (PS3.3 C.8.20.2) is inside
            half = int(header.get("MaximumFractionalValue") or 0) / 2
            if half <= 0:
                raise InputError("(0062,000E) MaximumFractionalValue must be positive.")
        segment = _chosen_segment(header, segment)
        frames = _frames_of(header, segment)
        if source is not None:
            frames = source.select(header, frames)
        if len(frames) != 1:
            raise InputError(
                f"segment {segment} has {len(frames)} frames for this image; the "
                "outline of a radiograph has one."
            )
    values, _ = decode_frame(path, header, frame=frames[0])
    inside: np.ndarray = values >= half
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


def _frames_of(header: Dataset, segment: int) -> list[int]:
    frames = []
    for frame in range(1, num_frames(header) + 1):
        item = macro_of_frame(header, "SegmentIdentificationSequence", frame=frame)
        if item is None:
            raise InputError("has no (0062,000A) SegmentIdentificationSequence.")
        if item.ReferencedSegmentNumber == segment:
            frames.append(frame)
    return frames


@dataclasses.dataclass(frozen=True)
class _Source:
    """The image that a segment should have been drawn on: a frame of a DICOM file."""

    uid: str
    frame: int
    geometry: dict[str, tuple[Any, ...]]

    @classmethod
    def read(cls, image: Path) -> _Source:
        path, frame = split_number(image)
        header = read_header(
            path, ("SOPInstanceUID", *FUNCTIONAL_GROUPS, *_GEOMETRY.values())
        )
        with refusing_dicom(path, "cannot be read as DICOM"):
            return cls(
                uid=str(header.get("SOPInstanceUID") or ""),
                frame=frame or 1,
                geometry=_geometry(header, frame or 1),
            )

    def select(self, header: Dataset, frames: list[int]) -> list[int]:
        """Returns the frames of a Segmentation that were drawn on this image.

        Raises:
            InputError: There is none, or the geometry of one is another.
        """
        named = [self._is_named_by(header, frame) for frame in frames]
        if not any(named):
            raise InputError(
                "was drawn on another image: neither its (0008,2112) "
                "SourceImageSequence nor its (0008,1115) ReferencedSeriesSequence "
                "names this one and its frame."
            )
        drawn_here = [f for f, is_named in zip(frames, named, strict=True) if is_named]
        for frame in drawn_here:
            for keyword, stated in _geometry(header, frame).items():
                here = self.geometry.get(keyword, stated)
                if not np.allclose(stated, here, rtol=1e-3, atol=2e-3):
                    raise InputError(
                        f"its {keyword} is not the image's; draw it on the image."
                    )
        return drawn_here

    def _is_named_by(self, header: Dataset, frame: int) -> bool:
        derivation = macro_of_frame(header, "DerivationImageSequence", frame=frame)
        sources = list((derivation or Dataset()).get("SourceImageSequence") or [])
        if not sources:
            for series in header.get("ReferencedSeriesSequence") or []:
                sources += series.get("ReferencedInstanceSequence") or []
        return any(
            self.uid
            and source.get("ReferencedSOPInstanceUID") == self.uid
            and self.frame in _frames_named_by(source, otherwise=self.frame)
            for source in sources
        )


def _frames_named_by(source: Dataset, *, otherwise: int) -> list[int]:
    """Returns the numbers in a reference; without one it means all (PS3.3 10.3)."""
    return values_of(source, "ReferencedFrameNumber") or [otherwise]


def _geometry(header: Dataset, frame: int) -> dict[str, tuple[Any, ...]]:
    """Returns what a file states of where the pixels of a frame lie, by keyword."""
    found = {}
    for macro, keyword in _GEOMETRY.items():
        item = macro_of_frame(header, macro, frame=frame)
        values = values_of(header if item is None else item, keyword)
        if values:
            found[keyword] = tuple(float(value) for value in values)
    return found


def _read_nifti(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    nibabel = _import("nibabel")
    with refusing(path, "cannot be read as NIfTI", logger="nibabel.global"):
        file = nibabel.load(path)
        _check_is_plane(file.shape, shape)
        if file.header["sform_code"] or file.header["qform_code"]:
            to_lps = np.diag([-1.0, -1.0, 1.0])  # NIfTI's axes are right, front, head
            _check_is_upright((to_lps @ file.affine[:3, :3]).T)
        return _plane(file.dataobj)


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
        return _plane(nrrd.read_data(header, stream, str(path)))


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


def _plane(volume: Any) -> np.ndarray:
    """Returns the mask in a volume of columns, rows and whatever else, which is 1."""
    values = np.asarray(volume)
    return _as_mask(values.reshape(values.shape[:2]).T)


def _as_mask(values: np.ndarray) -> np.ndarray:
    """Returns where an array is above 0, which it must be with one value only.

    Raises:
        InputError: It does not hold numbers, or negative or several ones, or NaN.
    """
    if values.dtype.kind not in "buif":
        raise InputError(f"holds {values.dtype}, not numbers.")
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError(
            "holds negative numbers, NaN or infinity; outside the organ a mask is 0."
        )
    mask: np.ndarray = values > 0
    labels = np.unique(values[mask])
    if labels.size > 1:
        raise InputError(
            f"has {labels.size} different values above 0; keep the organ's label only, "
            "and edges without shades of grey."
        )
    return mask
