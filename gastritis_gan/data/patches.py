"""Patch geometry (paper, section III-A): pure NumPy, exact, no image is read."""

from __future__ import annotations

import dataclasses

from gastritis_gan.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchGeometry:
    """Which windows of an image are patches, and which set each belongs to.

    Attributes:
        patch_size: Side of the square window in pixels (paper: 299).
        stride: Distance between neighbouring windows in pixels (paper: 50).
        inside_coverage: A patch is inside the organ when at least this fraction of its
            pixels lies under the outline. The paper does not state its rule.
        outside_coverage: A patch is outside when at most this fraction does; a patch between
            the two is a boundary patch and is not trained on.
    """

    patch_size: int = 299
    stride: int = 50
    inside_coverage: float = 1.0
    outside_coverage: float = 0.0

    def __post_init__(self) -> None:
        for key in ("patch_size", "stride"):
            if getattr(self, key) < 1:
                raise InputError(
                    f"`{key}` must be at least 1. Received: {getattr(self, key)}."
                )
        if not 0 <= self.outside_coverage < self.inside_coverage <= 1:
            raise InputError(
                "`inside_coverage` must be above `outside_coverage`, both from 0 to 1. "
                f"Received: inside_coverage={self.inside_coverage}, "
                f"outside_coverage={self.outside_coverage}."
            )
