"""One image of a release and where it comes from."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class ReleasedImage:
    """What a format writes.

    Attributes:
        number: From 0, over the whole release.
        pixels: uint8 (r, r).
        class_name: Its class.
        class_index: Position of its class in the alphabet of the release's classes.
        model: Name of the generator.
        version: Of the generator.
        model_hash: Identity of the generator.
        seed: That makes this image.
        truncation: 0 to 1.
    """

    number: int
    pixels: np.ndarray
    class_name: str
    class_index: int
    model: str
    version: int
    model_hash: str
    seed: int
    truncation: float

    @property
    def stem(self) -> str:
        """Name of its file without an ending."""
        return f"{self.number:06d}"
