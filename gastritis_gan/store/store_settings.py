"""What the config, and nothing in the cohort, decides about a store."""

from __future__ import annotations

import dataclasses
from typing import Any

from gastritis_gan.cohort.size_rule import SizeRule
from gastritis_gan.store.patches import PatchGeometry

_ANY_SIZE = SizeRule()


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """How images become a store.

    Attributes:
        geometry: Which windows are patches.
        bits: 8 or 16 bits per stored pixel.
        window: Number, from 1, or explanation of the window in DICOM files; None: the
            first.
        size_rule: Which sizes are allowed, and what happens to others.
        seed: Seed of the split and of the order in which the store lists its images.
    """

    geometry: PatchGeometry
    bits: int
    window: int | str | None = None
    size_rule: SizeRule = _ANY_SIZE
    seed: int

    def facts(self) -> dict[str, Any]:
        """Returns the settings as `store.json` keeps them."""
        return {
            "bits": self.bits,
            "window": self.window,
            **dataclasses.asdict(self.size_rule),
            "patches": dataclasses.asdict(self.geometry),
            "seed": self.seed,
        }
