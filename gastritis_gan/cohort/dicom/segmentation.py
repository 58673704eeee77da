"""Reads an outline from a DICOM Segmentation object (PS3.3 A.51)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from gastritis_gan.cohort.dicom.frames import decode_frame
from gastritis_gan.cohort.dicom.header import (
    FUNCTIONAL_GROUPS,
    macro_of_frame,
    num_frames,
    read_header,
    refusing_dicom,
)
from gastritis_gan.errors import InputError

_SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
_KEYWORDS = (
    "SOPClassUID",
    "SegmentationType",
    "SegmentSequence",
    "MaximumFractionalValue",
    *FUNCTIONAL_GROUPS,
)


def read_segmentation(
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
    header = read_header(path, _KEYWORDS)
    with refusing_dicom(path, "cannot be read as a DICOM Segmentation"):
        if header.get("SOPClassUID") != _SEGMENTATION_STORAGE:
            raise InputError("is a DICOM file but not a Segmentation (0008,0016).")
        frame = _frame_of(header, _chosen_segment(header, segment))
        if image is not None:
            _check_source(header, frame, image)
    values = decode_frame(path, header, frame=frame)
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
