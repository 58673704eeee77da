"""What a DICOM file says beside its pixels that decides how they are used."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pydicom.dataset import Dataset

from gastritis_gan.cohort.dicom.functional_groups import (
    FUNCTIONAL_GROUPS,
    apply_display_macros,
)
from gastritis_gan.cohort.dicom.header import num_frames, read_header
from gastritis_gan.cohort.dicom.refusal import refusal
from gastritis_gan.errors import InputError

# At the detector for projections, at the patient where the first is calibrated
# (PS3.3 10.7.1.3 and C.8.11.4).
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
_BURNED_IN = {"YES": "yes", "NO": "no"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What is known of an image beside its pixels.

    Attributes:
        pixel_spacing_mm: Distance of the rows, and of the columns; None where the file
            states none.
        burned_in: "yes", "no" or "not stated": whether the pixels hold text that
            identifies the patient (BurnedInAnnotation, PS3.3 C.7.6.1).
    """

    pixel_spacing_mm: tuple[float, float] | None = None
    burned_in: str = "not stated"


def read_dicom_facts(path: Path, *, frame: int | None = None) -> ImageFacts:
    """Reads the facts about an image.

    Args:
        path: The file.
        frame: Number of the frame, from 1.

    Raises:
        InputError: The file is damaged.
    """
    keywords = (*_SPACINGS, "BurnedInAnnotation", *FUNCTIONAL_GROUPS)
    header = read_header(path, keywords)
    with refusal(path, "cannot be read as DICOM"):
        if 1 <= (frame or 1) <= num_frames(header):
            apply_display_macros(header, frame=frame or 1)
        return ImageFacts(
            pixel_spacing_mm=_spacing(header),
            burned_in=_BURNED_IN.get(
                str(header.get("BurnedInAnnotation")), "not stated"
            ),
        )


def _spacing(header: Dataset) -> tuple[float, float] | None:
    for keyword in _SPACINGS:
        values = header.get(keyword)
        if values:
            rows, columns = (float(value) for value in values)
            if not (0 < rows < float("inf") and 0 < columns < float("inf")):
                raise InputError(f"(0028,0030) {keyword} must be two positive numbers.")
            return rows, columns
    return None
