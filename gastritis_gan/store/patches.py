"""Patch geometry (paper, section III-A): pure NumPy, exact, no image is read."""

from __future__ import annotations

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.typed_config import require_between

_MAX_PX = 65_535  # of a side of an image, PS3.3 C.7.6.3.1.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchGeometry:
    """Which windows of an image are patches, and which set each belongs to.

    Attributes:
        patch_size: Side of the square window in pixels (paper: 299).
        stride: Distance between neighbouring windows in pixels (paper: 50).
        inside_coverage: A patch is inside the organ when at least this fraction of its
            pixels lies under the outline. The paper does not state its rule.
        outside_coverage: A patch is outside when at most this fraction does; a patch
            between the two is a boundary patch and is not trained on.
        exclude_text: Whether to look for burned-in text; a patch that touches some
            belongs to no set. Needs the extra `[text]`.
    """

    patch_size: int = 299
    stride: int = 50
    inside_coverage: float = 1.0
    outside_coverage: float = 0.0
    exclude_text: bool = False

    def __post_init__(self) -> None:
        require_between(self, 1, _MAX_PX, "patch_size", "stride")
        if not 0 <= self.outside_coverage < self.inside_coverage <= 1:
            raise InputError(
                "`inside_coverage` must be above `outside_coverage`, both from 0 to 1. "
                f"Received: inside_coverage={self.inside_coverage}, "
                f"outside_coverage={self.outside_coverage}."
            )

    def grid(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the top-left pixels of an image's patches, row by row.

        Args:
            height: Height of the image in pixels.
            width: Width of the image in pixels.

        Returns:
            Rows and columns, two int32 ndarrays of shape (n_patches,); 2048 x 2048
            pixels give the paper's 35 x 35 = 1,225.

        Raises:
            InputError: The image is smaller than a patch.
        """
        if min(height, width) < self.patch_size:
            raise InputError(
                f"an image of {width} x {height} pixels (width x height) is smaller "
                f"than a patch of {self.patch_size} x {self.patch_size}; choose a "
                "smaller `patches.patch_size`."
            )
        row = np.arange(0, height - self.patch_size + 1, self.stride, dtype=np.int32)
        column = np.arange(0, width - self.patch_size + 1, self.stride, dtype=np.int32)
        return np.repeat(row, column.size), np.tile(column, row.size)

    def count_pixels(
        self, mask: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Counts the pixels of `mask` in every patch, exactly.

        It sums between the rows where a patch begins or ends, and makes a summed-area
        table of these: some rows instead of all.

        Args:
            mask: ndarray of bool of shape (height, width), True under the outline.
            rows: ndarray of int of shape (n_patches,), the top rows.
            columns: ndarray of int of shape (n_patches,), the left columns.

        Returns:
            ndarray of int32 of shape (n_patches,), from 0 to `patch_size` squared.
        """
        edges = np.unique([rows, rows + self.patch_size])
        table = np.zeros((edges.size, mask.shape[1] + 1), np.int32)
        for above, below, (start, stop) in zip(
            table, table[1:], itertools.pairwise(edges), strict=False
        ):
            np.sum(mask[start:stop], axis=0, dtype=np.int32, out=below[1:])
            below += above
        np.cumsum(table, axis=1, out=table)
        right = columns + self.patch_size
        bottom = np.searchsorted(edges, rows + self.patch_size)
        rows = np.searchsorted(edges, rows)
        counts: np.ndarray = (
            table[bottom, right]
            - table[rows, right]
            - table[bottom, columns]
            + table[rows, columns]
        )
        return counts

    def is_inside(self, counts: np.ndarray) -> np.ndarray:
        """Returns which patches are inside the organ, from `count_pixels`' counts."""
        # By the decimal number that the user wrote: 0.95 of 22,500 is exactly 21,375.
        return counts >= math.ceil(self._area(self.inside_coverage))

    def is_outside(self, counts: np.ndarray) -> np.ndarray:
        """Returns which patches are outside the organ, from `count_pixels`' counts."""
        return counts <= math.floor(self._area(self.outside_coverage))

    def _area(self, coverage: float) -> Fraction:
        return Fraction(str(coverage)) * self.patch_size**2
