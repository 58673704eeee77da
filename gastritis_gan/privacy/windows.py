"""Windows of an image at every position, and the search for patches among them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FLIPS = ("none", "rows", "columns", "both")
STEPS = 4  # in which windows move, per pixel
MIN_STD = 2 / 255  # of the range [0, 1]: what is flatter shows nobody
_TOLERANCE = 1e-9  # of a pixel: an edge that rounding puts beyond the border counts
_MIN_SQUARED_NORM = 1e-12  # rounding leaves less of a flat window
_WORST = np.float32(-2.0)  # below every correlation
_PATCHES = 64  # at once ...
_WINDOWS = 640  # ... with so many: what is compared stays in the processor's cache


def flip_patches(
    patches: NDArray[np.float32], flip: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Returns each of the `(n, r, r)` patches flipped as `FLIPS[flip]` names it."""
    flipped = patches.copy()
    flipped[flip == 1] = patches[flip == 1][:, ::-1]
    flipped[flip == 2] = patches[flip == 2][:, :, ::-1]
    flipped[flip == 3] = patches[flip == 3][:, ::-1, ::-1]
    return flipped


def scale_image(
    image: NDArray[np.generic], factor: float, *, offset: tuple[float, float] = (0, 0)
) -> NDArray[np.float32]:
    """Averages an image over boxes of `factor` x `factor` pixels.

    Output pixel (i, j) is the mean of the box whose top-left corner lies at `offset`
    + (i, j) * factor; a pixel that the box covers in part counts by that part. So a
    window of n * factor pixels, averaged down to n pixels by `area_resize`, equals an
    n x n block of this.

    Args:
        image: Shape `(height, width)`, any real dtype.
        factor: Pixels per output pixel, any positive number.
        offset: Row and column where the first box starts, in pixels, at least 0.

    Returns:
        Shape `(h, w)`: as many whole boxes as fit, in the range of `image`.
    """
    narrow = _average_rows(np.asarray(image, np.float64), factor, offset[0])
    return _average_rows(narrow.T, factor, offset[1]).T.astype(np.float32)


def _average_rows(
    image: NDArray[np.float64], factor: float, offset: float
) -> NDArray[np.float64]:
    size = len(image)
    num_boxes = int((size - offset) / factor + _TOLERANCE)
    edges = np.minimum(offset + factor * np.arange(num_boxes + 1), size)
    row = np.minimum(edges.astype(int), size - 1)
    part = (edges - row)[:, None]
    # The integral is linear between pixel edges.
    integral = np.concatenate([np.zeros((1, image.shape[1])), np.cumsum(image, axis=0)])
    at_edges = integral[row] * (1 - part) + integral[row + 1] * part
    return np.asarray(np.diff(at_edges, axis=0) / factor)


def inverse_norms(
    image: NDArray[np.float32], size: int, min_std: float
) -> NDArray[np.float32]:
    """Returns 1 / norm of every window after its mean is taken out.

    Args:
        image: Shape `(height, width)`; a mean near 0 keeps the sums exact.
        size: Side of the windows in pixels.
        min_std: Flatter windows get 0, so that they correlate with nothing.

    Returns:
        Shape `(height - size + 1, width - size + 1)`.
    """
    total, total_of_squares = (box_sums(values, size) for values in (image, image**2))
    squared_norm = total_of_squares - total**2 / size**2
    is_textured = squared_norm >= (min_std * size) ** 2
    norm = np.sqrt(np.maximum(squared_norm, _MIN_SQUARED_NORM))
    return np.where(is_textured, 1 / norm, 0).astype(np.float32)


def starts_inside(
    inside: NDArray[np.bool_], pixel: float, size: int, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Returns whether each window lies inside a region, but for a row of its pixels.

    Args:
        inside: The region, of an image's shape.
        pixel: Side of the windows' pixels in pixels of the image.
        size: Side of the windows in their own pixels.
        shape: Number of rows and columns where windows start, a pixel apart.
    """
    covered = box_sums(scale_image(inside, pixel), size)[: shape[0], : shape[1]]
    result = np.zeros(shape, bool)
    result[: covered.shape[0], : covered.shape[1]] = covered >= size**2 - size
    return result


def box_sums(values: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Returns the sum of every size x size window."""
    integral = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    integral[1:, 1:] = np.cumsum(np.cumsum(values, axis=0, dtype=float), axis=1)
    rows = integral[size:] - integral[:-size]
    return np.asarray(rows[:, size:] - rows[:, :-size])


class QuarterPixelWindows:
    """Windows that start at any quarter of a pixel.

    Args:
        quarters: The image, averaged so that `STEPS` of its pixels make one pixel of a
            window.
        size: Side of a window in pixels.
        min_std: Flatter windows correlate with nothing.

    Attributes:
        whole: The image at whole pixels, of shape (height, width), mean about 0.
        inverse_norm: Of the windows of `whole`.
    """

    def __init__(
        self, quarters: NDArray[np.float32], size: int, min_std: float
    ) -> None:
        boxes = box_sums(quarters - quarters.mean(), STEPS) / STEPS**2
        self._last = tuple(n - 1 - (size - 1) * STEPS for n in boxes.shape)
        height, width = (-(-n // STEPS) for n in boxes.shape)
        padded = np.zeros((height * STEPS, width * STEPS), np.float32)
        padded[: boxes.shape[0], : boxes.shape[1]] = boxes
        split = padded.reshape(height, STEPS, width, STEPS)
        # [a, b, i, j]: what starts at pixel (i + a / 4, j + b / 4)
        phases = np.ascontiguousarray(split.transpose(1, 3, 0, 2))
        self._inverse_norm = np.array(
            [[inverse_norms(x, size, min_std) for x in row] for row in phases]
        )
        self._windows = np.lib.stride_tricks.sliding_window_view(
            phases, (size, size), axis=(2, 3)
        )
        self.whole = phases[0, 0]
        self.inverse_norm = self._inverse_norm[0, 0]

    def correlate(
        self,
        patches: NDArray[np.float32],
        row: NDArray[np.int64],
        column: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Correlates each patch with its window; flat windows give 0.

        Args:
            patches: Shape `(n, size, size)`, each of mean 0 and norm 1, or all 0.
            row: Shape `(n,)`, where the windows start, in quarters of a pixel.
            column: Likewise.

        Returns:
            Shape `(n,)`, -1 to 1; -2 where no window starts.
        """
        y, x = (
            np.clip(p, 0, n) for p, n in zip((row, column), self._last, strict=True)
        )
        exists = (y == row) & (x == column)
        place = (y % STEPS, x % STEPS, y // STEPS, x // STEPS)
        # The patches have mean 0, so the windows need not.
        score = np.einsum("nij,nij->n", patches, self._windows[place])
        score *= self._inverse_norm[place]
        return np.where(exists, score, _WORST)


class PositionSearch:
    """Finds the best position and flip of patches in an image, at whole pixels.

    A patch is the sum of four parts, even or odd in each direction, and a flip only
    changes the signs of the odd ones. So the products of a window's parts with a
    patch's parts, added in four ways, are the correlations with all four flips for the
    price of one. As matrix products they take less time than an FFT, whose maps are
    larger than needed and which every flip needs anew (docs/studies/privacy.md).

    Args:
        patches: float32 of shape (n, r, r), each of mean 0 and norm 1, or all 0.
    """

    def __init__(self, patches: NDArray[np.float32]) -> None:
        self.size = patches.shape[1]
        self._parts = _four_parts(patches)

    def find(
        self, image: NDArray[np.float32], inverse_norm: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        """Returns the best row, column and flip (index into `FLIPS`) of each patch.

        Args:
            image: Shape `(height, width)`.
            inverse_norm: Of its windows, from `inverse_norms`. Windows with 0 are left
                out; if all are, row, column and flip are 0.
        """
        number = len(self._parts[0])
        best = np.full(number, -np.inf, np.float32)
        position = np.zeros(number, np.int64)
        flip = np.zeros(number, np.uint8)
        shape = (self.size, self.size)
        windows = np.lib.stride_tricks.sliding_window_view(image, shape)
        places = np.argwhere(inverse_norm)
        for first in range(0, len(places), _WINDOWS):
            rows, columns = places[first : first + _WINDOWS].T
            norms = inverse_norm[rows, columns][:, None, None]
            of_windows = _four_parts(windows[rows, columns] * norms)
            for start in range(0, number, _PATCHES):
                part = slice(start, start + _PATCHES)
                products = [
                    patches[part] @ window.T
                    for patches, window in zip(self._parts, of_windows, strict=True)
                ]
                score, index, turn = _best_of_flips(products)
                better = np.flatnonzero(score > best[part]) + start
                best[better] = score[better - start]
                position[better] = index[better - start] + first
                flip[better] = turn[better - start]
        if not len(places):
            return position, position.copy(), flip
        row, column = places[position].T
        return row, column, flip


def _four_parts(patches: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Returns the parts of `(n, r, r)` patches that are even or odd along each axis.

    Returns:
        Four arrays of shape `(n, values)`: even or odd along the rows, then columns.
    """
    return [
        np.ascontiguousarray(part).reshape(len(patches), -1)
        for of_rows in _even_and_odd(patches, axis=1)
        for part in _even_and_odd(of_rows, axis=2)
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
