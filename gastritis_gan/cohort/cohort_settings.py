"""What a cohort shows and how its images are stored: the section `cohort`."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import Literal

from gastritis_gan.storage import is_file_name
from gastritis_gan.typed_config import require, require_between

_MAX_SIDE_PX = 11_585  # 2^27 pixels
_MAX_SPACING_MM = 1000.0
# DICOM's value representation CS (PS3.5 section 6.2), in capitals or not
_CODE_STRING = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_ ]{0,14}[A-Za-z0-9_])?")

SUBJECT_KEYS = ("organ", "view", "modality")
"""The keys of `CohortConfig` that state what the images show."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortConfig:
    """What a cohort shows, what its labels are called and how images are stored.

    Attributes:
        organ: What the images show, as DICOM's BodyPartExamined has it: stomach, chest,
            breast. May stay empty.
        view: How they were taken, as in its ViewPosition: AP, PA, MLO. May stay empty.
        modality: As its Modality: RF, DX, CR, MG. May stay empty.
        positive: Label of the positive class in `cohort.csv`, and its name everywhere.
        negative: Label of the other class.
        bits: Bits of a stored pixel, 8 or 16.
        image_size: Side in pixels that every image has to have; null takes any size.
        other_sizes: What happens to an image of another size: `refuse` it, `pad` it
            with black, or `rescale` it to `pixel_spacing_mm` and then pad it.
        pixel_spacing_mm: Distance of pixels in millimetres that `other_sizes: rescale`
            gives every image.
    """

    organ: str = ""
    view: str = ""
    modality: str = ""
    positive: str = "gastritis"
    negative: str = "non_gastritis"
    bits: int = 8
    image_size: int | Literal[None] = None
    other_sizes: Literal["refuse", "pad", "rescale"] = "refuse"
    pixel_spacing_mm: float | Literal[None] = None

    def __post_init__(self) -> None:
        require(self.bits in (8, 16), "bits", "must be 8 or 16", self.bits)
        if self.image_size is not None:
            require_between(self, 1, _MAX_SIDE_PX, "image_size")
        require(
            self.other_sizes == "refuse" or self.image_size is not None,
            "other_sizes",
            "needs `cohort.image_size` unless it is refuse",
            self.other_sizes,
        )
        spacing = self.pixel_spacing_mm
        require(
            (self.other_sizes == "rescale") == (spacing is not None)
            and (spacing is None or 1 / _MAX_SPACING_MM <= spacing <= _MAX_SPACING_MM),
            "pixel_spacing_mm",
            "must be a number from 0.001 to 1000 with `other_sizes: rescale`, and null "
            "without",
            spacing,
        )
        for key in SUBJECT_KEYS:
            text = getattr(self, key)
            require(
                not text or is_code_string(text),
                key,
                "must be up to 16 letters without accents, digits, spaces and _, with "
                "no space first or last, as in DICOM's code strings; or empty",
                text,
            )
        for key in ("positive", "negative"):
            name = getattr(self, key)
            require(
                is_file_name(name),
                key,
                "must name a class, and later a folder: up to 50 letters, digits, "
                "spaces and _ - . + ( ), with a letter or digit first and no space or "
                "dot last",
                name,
            )
        require(
            _folded(self.positive) != _folded(self.negative),
            "negative",
            "must differ from `positive`, in more than capitals",
            self.negative,
        )


def is_code_string(text: object) -> bool:
    """Returns whether a text, once in capitals, is a code string of DICOM."""
    return isinstance(text, str) and _CODE_STRING.fullmatch(text) is not None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
