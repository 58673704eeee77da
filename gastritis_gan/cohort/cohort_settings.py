"""What the labels are called and how images are stored: the section `cohort`."""

from __future__ import annotations

import dataclasses
from typing import Literal

from gastritis_gan.typed_config import require, require_at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortConfig:
    """What the labels in `cohort.csv` are called and how images are stored."""

    positive: str = "gastritis"
    negative: str = "non_gastritis"
    bits: int = 8  # per stored pixel
    image_size: int | Literal[None] = None  # every image's side in pixels; None: any
    other_sizes: Literal["refuse", "pad", "rescale"] = "refuse"  # than image_size
    pixel_spacing_mm: float | Literal[None] = None  # of every image after "rescale"

    def __post_init__(self) -> None:
        require(self.bits in (8, 16), "bits", "must be 8 or 16", self.bits)
        if self.image_size is not None:
            require_at_least(self, 1, "image_size")
        require(
            self.other_sizes == "refuse" or self.image_size is not None,
            "other_sizes",
            "needs `cohort.image_size` unless it is refuse",
            self.other_sizes,
        )
        spacing = self.pixel_spacing_mm
        require(
            (self.other_sizes == "rescale") == (spacing is not None)
            and (spacing is None or spacing > 0),
            "pixel_spacing_mm",
            "must be a positive number with `other_sizes: rescale`, and null without",
            spacing,
        )
        for key in ("positive", "negative"):
            name = getattr(self, key)
            require(bool(name.strip()), key, "must name a class", name)
        require(
            self.positive != self.negative,
            "negative",
            "must differ from `positive`",
            self.negative,
        )
