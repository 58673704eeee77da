"""The best position and flip of patches in an image, at whole pixels.

A patch is the sum of four parts, even or odd in each direction, and a flip only changes
the signs of the odd ones. So the products of a window's parts with a patch's parts,
added in four ways, are the correlations with all four flips for the price of one. As
matrix products they take less time than an FFT, whose maps are larger than needed and
which every flip needs anew (docs/studies/privacy.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.windows import FLIPS

_PATCHES = 256  # at once ...
_WINDOWS = 320  # ... with so many: what is compared stays in the processor's cache


class PositionSearch:
    """Looks for patches in images.

    Args:
        patches: float32 of shape (n, r, r), each of mean 0 and norm 1, or all 0.
    """

    def __init__(self, patches: NDArray[np.float32]) -> None:
        self.size = patches.shape[1]
        # Columns before rows, as `_window_parts` has them.
        self._parts = [
            np.ascontiguousarray(part.swapaxes(1, 2)).reshape(len(patches), -1)
            for of_rows in _even_and_odd(patches, axis=1)
            for part in _even_and_odd(of_rows, axis=2)
        ]

    def find(
        self, image: NDArray[np.float32], inverse_norm: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Returns the best row, column and flip (index into `FLIPS`) of each patch.

        Args:
            image: Shape `(height, width)`.
            inverse_norm: Of its windows, from `inverse_norms`.
        """
        height, width = inverse_norm.shape
        number = len(self._parts[0])
        best = np.full(number, -np.inf, np.float32)
        position = np.zeros(number, np.int64)
        flip = np.zeros(number, np.uint8)
        of_columns = _even_and_odd(
            np.lib.stride_tricks.sliding_window_view(image, self.size, axis=1), axis=2
        )  # [height + size - 1, width, half]
        rows_at_once = max(1, _WINDOWS // width)
        for top in range(0, height, rows_at_once):
            norms = inverse_norm[top : top + rows_at_once]
            windows = self._window_parts(of_columns, top, norms)
            for start in range(0, number, _PATCHES):
                part = slice(start, start + _PATCHES)
                products = [
                    patches[part] @ window.T
                    for patches, window in zip(self._parts, windows, strict=True)
                ]
                score, index, turn = _best_of_flips(products)
                better = np.flatnonzero(score > best[part]) + start
                best[better] = score[better - start]
                position[better] = index[better - start] + top * width
                flip[better] = turn[better - start]
        row, column = np.divmod(position, width)
        return row, column, flip

    def _window_parts(
        self,
        of_columns: list[NDArray[np.float32]],
        top: int,
        norms: NDArray[np.float32],
    ) -> list[NDArray[np.float32]]:
        """Returns the four parts `(windows, values)` of some rows of windows."""
        last = top + len(norms) + self.size - 1
        views = [
            np.lib.stride_tricks.sliding_window_view(x[top:last], self.size, axis=0)
            for x in of_columns
        ]  # [rows, columns, half, size]
        parts = [_even_and_odd(view, axis=3) for view in views]
        return [
            (parts[column][row] * norms[..., None, None]).reshape(norms.size, -1)
            for row in (0, 1)
            for column in (0, 1)
        ]


def _even_and_odd(values: NDArray[np.float32], axis: int) -> list[NDArray[np.float32]]:
    """Returns the even and the odd part along an axis, half as long.

    Each value and its mirror image become sum and difference over the square root of 2,
    so that products stay what they were; a middle value is even.
    """
    values = np.moveaxis(values, axis, 0)
    half = len(values) // 2
    first, last = values[:half], values[::-1][:half]
    scale = np.float32(math.sqrt(0.5))
    even = np.concatenate([(first + last) * scale, values[half : len(values) - half]])
    odd = (first - last) * scale
    return [np.moveaxis(part, 0, axis) for part in (even, odd)]


def _best_of_flips(
    products: list[NDArray[np.float32]],
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.uint8]]:
    """Returns each patch's best score, window and flip, of products `(n, windows)`.

    With e and o for the even and odd parts of rows, columns: as it is, a patch gives
    ee + eo + oe + oo, and a flip of the rows changes the sign of oe and oo. So the
    better of the two is ee + eo + |oe + oo|, and likewise with flipped columns.
    """
    even_even, even_odd, odd_even, odd_odd = products
    here = np.arange(len(even_even))
    best = even_even + even_odd
    best += np.abs(odd_even + odd_odd)
    mirrored = even_even - even_odd
    mirrored += np.abs(odd_even - odd_odd)
    np.maximum(best, mirrored, out=best)
    index = best.argmax(axis=1)
    a, b, c, d = (product[here, index] for product in products)
    of_flips = {
        "none": a + b + c + d,
        "rows": a + b - c - d,
        "columns": a - b + c - d,
        "both": a - b - c + d,
    }
    flip = np.argmax([of_flips[name] for name in FLIPS], axis=0).astype(np.uint8)
    return best[here, index], index, flip
