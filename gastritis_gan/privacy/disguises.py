"""Matches of patches that were low-passed, turned, scaled, bent or cut.

Patches and images are compared at some 16 pixels a patch, low-passed, where what a
disguise does to fine detail hardly counts: the whole patch; its centre, turned and
scaled in small steps; and nine sub-windows of half the side, each wherever it matches
best, then also at twice as many pixels, where a true copy of a part stands out far
more. A search over every position inside the organ finds the whole patch and each
sub-window at whole pixels of the small image; the finer searches start from that place
alone.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gastritis_gan.privacy.windows import (
    STEPS,
    PositionSearch,
    box_sums,
    flip_patches,
    inverse_norms,
    scale_image,
    starts_inside,
)

NUM_SUB_WINDOWS = 9
_RESOLUTION = 16  # least pixels of a patch
_LOW_PASS = 0.6  # standard deviation of a Gaussian in these pixels
_CENTRE = 3 / 4  # of the side: what is compared when turned
_MARGIN = 4  # pixels around the image, beside half a patch: turned windows reach there
_BATCH_VALUES = 2**17  # of windows at once: they stay in the processor's cache
_EPSILON = 1e-12

_Find = Callable[
    [NDArray[np.float32], NDArray[np.float32]],
    tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]],
]
# A pose is where a window is read: row and column of its middle in quarters of a pixel,
# and turn and scale in these units. So all of them are integers.
_TURN = 1.25  # degrees
_SCALE = 0.02  # of the logarithm
_MOST = np.array([11, 7])  # units of turn and scale that any search can reach

_Move = tuple[int, int]  # units of turn and scale
_COARSE_MOVES: tuple[_Move, ...] = tuple(
    (turn, scale)
    for turn in (-8, -4, 0, 4, 8)
    for scale in (-4, 0, 4)
    if (turn, scale) != (0, 0)
)


def _around(turn: int, scale: int) -> tuple[_Move, ...]:
    return ((-turn, 0), (turn, 0), (0, -scale), (0, scale))


# What the finer searches try: turns and scales, or distances of shifts in quarters of
# a pixel.
_Round = tuple[_Move, ...] | int
_WHOLE_ROUNDS: tuple[_Round, ...] = (2, 1)
_TURNED_ROUNDS: tuple[_Round, ...] = (
    _COARSE_MOVES,
    4,
    2,
    _around(2, 2),
    1,
    _around(1, 1),
)
_SUB_ROUNDS: tuple[_Round, ...] = (2, _around(4, 3), 1)
_SHIFTS = [shift for shift in itertools.product((-1, 0, 1), repeat=2) if any(shift)]


@dataclasses.dataclass(frozen=True)
class DisguisedMatch:
    """How well each of n patches matches one image, disguised.

    All are zero-mean normalised cross-correlations, -1 to 1; 0 where the patch or what
    it matches is flat.

    Attributes:
        low_pass: float32 of shape (10, n), low-passed: the whole patch, then nine
            sub-windows of half the side.
        turned: float32 of shape (n,), the centre of the patch, turned and scaled.
        sub_windows: float32 of shape (9, n), the nine in detail.
    """

    low_pass: NDArray[np.float32]
    turned: NDArray[np.float32]
    sub_windows: NDArray[np.float32]


class DisguiseMatcher:
    """Finds the best disguised match of each patch in an image; threads may share it.

    Args:
        patches: float32 of shape (n, r, r), in [0, 1].
        patch_size: Side in pixels of the image windows that the patches stand for.
        min_std: Flatter windows and patches match nothing; of the range [0, 1].
    """

    def __init__(
        self, patches: NDArray[np.float32], *, patch_size: int, min_std: float
    ) -> None:
        size = patches.shape[1]
        while size % 2 == 0 and size // 2 >= _RESOLUTION:
            size //= 2
        small = _average(patches, size)
        small = ndimage.gaussian_filter(small, (0, _LOW_PASS, _LOW_PASS), mode="mirror")
        self._zoom = 2 if patches.shape[1] > size else 1
        self._pixel = patch_size / size
        self._min_std = min_std
        self._is_flat = patches.std(axis=(1, 2)) < min_std
        self._whole = _unit(small)
        self._parts = _unit(_cut(small, 1))
        detailed = _average(patches, size * self._zoom)
        self._detailed_parts = _unit(_cut(detailed, self._zoom))
        self._find_whole = PositionSearch(self._whole).find
        self._find_parts = PositionSearch(self._parts).find

    def match(
        self, image: NDArray[np.float32], inside: NDArray[np.bool_]
    ) -> DisguisedMatch:
        """Returns the best disguised match of every patch.

        Args:
            image: Shape `(height, width)`, in [0, 1], at least `patch_size` high and
                wide.
            inside: Of that shape: where windows have to lie.
        """
        size = self._whole.shape[1]
        fine = scale_image(image, self._pixel / STEPS)
        small = _SmallImage(fine, size // 2 + _MARGIN, self._min_std, low_pass=True)
        flip, pose = self._search(small, inside, size, self._find_whole)
        whole = flip_patches(self._whole, flip)
        of_whole = small.climb(whole, pose, _WHOLE_ROUNDS)
        edge = round(size * (1 - _CENTRE) / 2)
        centre = _unit(whole[:, edge : size - edge, edge : size - edge])
        turned = small.climb(centre, pose, _TURNED_ROUNDS)
        flip, pose = self._search(small, inside, size // 2, self._find_parts)
        of_parts = small.climb(flip_patches(self._parts, flip), pose, _SUB_ROUNDS)
        fine = scale_image(image, self._pixel / self._zoom / STEPS)
        margin = self._zoom * (size // 2 + _MARGIN)
        detailed = _SmallImage(fine, margin, self._min_std, low_pass=False)
        # The middle of a box of STEPS lies STEPS / 2 behind where the box starts.
        pose[:2] = self._zoom * pose[:2] + (self._zoom - 1) * STEPS // 2
        parts = flip_patches(self._detailed_parts, flip)
        in_detail = detailed.climb(parts, pose, _SUB_ROUNDS)
        low_pass = np.stack([of_whole, *of_parts.reshape(NUM_SUB_WINDOWS, -1)])
        in_detail = in_detail.reshape(NUM_SUB_WINDOWS, -1)
        for score in (*low_pass, turned, *in_detail):
            score[self._is_flat] = 0
        return DisguisedMatch(low_pass, turned, in_detail)

    def _search(
        self,
        small: _SmallImage,
        inside: NDArray[np.bool_],
        size: int,
        find: _Find,
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Returns how patches of a size are flipped and where they match: poses."""
        norms = inverse_norms(small.whole, size, self._min_std)
        norms *= starts_inside(inside, self._pixel, size, norms.shape)
        row, column, flip = find(small.whole, norms)
        pose = np.zeros((4, len(flip)), np.int32)
        pose[:2] = np.stack([row, column]) * STEPS + (size - 1) * STEPS // 2
        return flip, pose


class _SmallImage:
    """A small image that can be read at turned and scaled windows.

    Args:
        fine: The image, averaged so that `STEPS` of its pixels make one.
        margin: Pixels by which the borders are repeated.
        min_std: Flatter windows correlate with nothing.
        low_pass: Whether it is low-passed.

    Attributes:
        whole: The image at whole pixels, mean about 0.
    """

    def __init__(
        self, fine: NDArray[np.float32], margin: int, min_std: float, *, low_pass: bool
    ) -> None:
        sums = box_sums(fine - fine.mean(), STEPS)
        boxes = np.asarray(sums / STEPS**2, np.float32)
        if low_pass:
            boxes = ndimage.gaussian_filter(boxes, _LOW_PASS * STEPS, mode="nearest")
        self.whole = np.ascontiguousarray(boxes[::STEPS, ::STEPS])
        self._last = np.array(boxes.shape)[:, None] - 1
        self._margin = margin * STEPS
        padded = np.pad(boxes, self._margin, mode="edge")
        self._width = padded.shape[1]
        self._values = padded.ravel()
        self._min_std = min_std

    def climb(
        self,
        patches: NDArray[np.float32],
        pose: NDArray[np.int32],
        rounds: Sequence[_Round],
    ) -> NDArray[np.float32]:
        """Moves each pose to the best one tried, round by round.

        Args:
            patches: Shape `(n, s, s)`, each of mean 0 and norm 1, or all 0.
            pose: Shape `(4, n)`, is changed.
            rounds: What is tried from the best pose so far.

        Returns:
            The correlations, of shape `(n,)`.
        """
        size = patches.shape[1]
        flat = patches.reshape(len(patches), -1)
        offsets = self._offsets(size)
        score = np.empty(len(patches), np.float32)
        batch = max(1, _BATCH_VALUES // size**2)
        for start in range(0, len(patches), batch):
            part = slice(start, start + batch)
            score[part] = self._climb(flat[part], offsets, pose[:, part], rounds)
        return score

    def _offsets(self, size: int) -> NDArray[np.int32]:
        """Returns where a window's pixels are in the values, from its middle.

        Returns:
            Shape `(turns, scales, size * size)`.
        """
        turns, scales = (np.arange(-most, most + 1) for most in _MOST)
        # What is shown larger comes from less of the image.
        stretch = STEPS * np.exp(-_SCALE * scales)[None, :, None, None]
        angle = np.deg2rad(_TURN * turns)[:, None, None, None]
        down, right = np.mgrid[:size, :size] - (size - 1) / 2
        rows = np.rint(stretch * (np.cos(angle) * down - np.sin(angle) * right))
        columns = np.rint(stretch * (np.sin(angle) * down + np.cos(angle) * right))
        offsets = (rows * self._width + columns).astype(np.int32)
        return np.asarray(offsets.reshape(len(turns), len(scales), -1))

    def _climb(
        self,
        patches: NDArray[np.float32],
        offsets: NDArray[np.int32],
        pose: NDArray[np.int32],
        rounds: Sequence[_Round],
    ) -> NDArray[np.float32]:
        best = self._correlate(patches, self._places(pose, offsets))
        for tried in rounds:
            base = pose.copy()
            if isinstance(tried, int):
                places = self._places(base, offsets)
                for down, right in _SHIFTS:
                    shift = tried * np.array([down, right, 0, 0], np.int32)
                    step = np.int32(tried * (down * self._width + right))
                    score = self._correlate(patches, places + step)
                    _keep_better(best, pose, score, base + shift[:, None])
            else:
                for turn, scale in tried:
                    other = base + np.array([0, 0, turn, scale], np.int32)[:, None]
                    places = self._places(other, offsets)
                    score = self._correlate(patches, places)
                    _keep_better(best, pose, score, other)
        return best

    def _places(
        self, pose: NDArray[np.int32], offsets: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Returns where each window's pixels are in the values, `(n, size * size)`."""
        row, column = np.clip(pose[:2], 0, self._last) + self._margin
        middle = (row * self._width + column).astype(np.int32)
        turn, scale = pose[2:] + _MOST[:, None]
        return np.asarray(middle[:, None] + offsets[turn, scale])

    def _correlate(
        self, patches: NDArray[np.float32], places: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        values = self._values.take(places, mode="clip")
        number = values.shape[1]
        total = values.sum(axis=1)
        square = np.einsum("nk,nk->n", values, values) - total**2 / number
        product = np.einsum("nk,nk->n", patches, values)
        is_textured = square >= self._min_std**2 * number
        return np.where(is_textured, product / np.sqrt(square + _EPSILON), 0)


def _keep_better(
    best: NDArray[np.float32],
    pose: NDArray[np.int32],
    score: NDArray[np.float32],
    tried: NDArray[np.int32],
) -> None:
    better = score > best
    best[better] = score[better]
    pose[:, better] = tried[:, better]


def _average(patches: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    factor = patches.shape[1] // size
    shape = (-1, size, factor, size, factor)
    return np.asarray(patches.reshape(shape).mean(axis=(2, 4)))


def _cut(patches: NDArray[np.float32], zoom: int) -> NDArray[np.float32]:
    """Cuts nine windows of half the side out of patches, one after the other.

    Args:
        patches: Shape `(n, r, r)`.
        zoom: Windows start at multiples of it.

    Returns:
        Shape `(9 * n, h, h)`.
    """
    size = patches.shape[1] // zoom
    half = size // 2
    starts = [zoom * start for start in (0, (size - half) // 2, size - half)]
    side = zoom * half
    return np.concatenate(
        [
            patches[:, row : row + side, column : column + side]
            for row, column in itertools.product(starts, starts)
        ]
    )


def _unit(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Takes the mean out of patches and gives them norm 1; flat ones become 0."""
    centered = patches - patches.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt(np.einsum("nij,nij->n", centered, centered))
    inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > _EPSILON)
    return np.asarray(centered * inverse[:, None, None], np.float32)
