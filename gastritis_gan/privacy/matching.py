"""Best normalised cross-correlation of patches over every position of an image.

Every flip is tried, and zero-mean normalisation ignores brightness and contrast. A
search at whole pixels, at the patches' size or coarser, finds the position. A local
search in quarter-pixel steps then finds the score: the windows that trained a generator
start between the pixels of any averaged image, and half a pixel can cost a third of the
correlation.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from gastritis_gan.privacy.disguises import (
    NUM_SUB_WINDOWS,
    DisguisedMatch,
    DisguiseMatcher,
)
from gastritis_gan.privacy.windows import (
    STEPS,
    PositionSearch,
    QuarterPixelWindows,
    flip_patches,
    scale_image,
    starts_inside,
)
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import kept_array
from gastritis_gan.store.store import Store

_BATCH_VALUES = 2**17  # patches and their windows stay in the processor's cache
_MAX_SEARCH_RESOLUTION = 32  # pixels of a patch and ...
_MAX_SEARCH_SIDE = 160  # ... of an image: the first search halves larger ones ...
_MIN_SEARCH_RESOLUTION = 16  # ... as long as a patch keeps so many


@dataclasses.dataclass(frozen=True)
class PatchMatch:
    """The best match of each of n patches in one image.

    Attributes:
        score: float32 of shape (n,), zero-mean normalised cross-correlation, -1 to 1; 0
            where the patch or the whole image is flat.
        row: float32 of shape (n,), top of the matching window in pixels of the image.
        column: float32 of shape (n,), left of it.
        flip: uint8 of shape (n,), index into `FLIPS`: how the patch had to be flipped.
    """

    score: NDArray[np.float32]
    row: NDArray[np.float32]
    column: NDArray[np.float32]
    flip: NDArray[np.uint8]


class PixelMatcher:
    """Finds the best match of each patch in an image; threads may share it.

    Args:
        patches: float32 of shape (n, r, r), in [0, 1].
        patch_size: Side in pixels of the image windows that the patches stand for.
        min_std: Windows and patches whose standard deviation is below this match
            nothing: what flat background correlates with is noise. In units of the
            range [0, 1].
    """

    def __init__(
        self, patches: NDArray[np.float32], *, patch_size: int, min_std: float
    ) -> None:
        self.patches = patches
        self.patch_size = patch_size
        self.min_std = min_std
        self.resolution = patches.shape[1]
        self.is_flat = patches.std(axis=(1, 2)) < min_std
        # All images of one size need the same; made once, and by one thread.
        self._lock = threading.Lock()
        self._standardized = functools.cache(self._standardize)
        self._search = functools.cache(lambda r: PositionSearch(self._standardized(r)))

    def match(
        self, image: NDArray[np.float32], inside: NDArray[np.bool_] | None = None
    ) -> PatchMatch:
        """Returns the best match of every patch in an image.

        Args:
            image: Shape `(height, width)`, in [0, 1], at least `patch_size` high and
                wide.
            inside: Of that shape: where windows have to lie; None for anywhere.
        """
        coarse, *finer = self._resolutions(max(image.shape))
        quarters = scale_image(image, self.patch_size / self.resolution / STEPS)
        windows = self._windows(quarters, coarse)
        with self._lock:
            search = self._search(coarse)
        norms = windows.inverse_norm
        if inside is not None:
            pixel = self.patch_size / coarse
            norms = norms * starts_inside(inside, pixel, coarse, norms.shape)
        row, column, flip = search.find(windows.whole, norms)
        row, column = row * STEPS, column * STEPS
        step = STEPS // 2  # the coarse grid's own pixels have been searched
        for resolution in (coarse, *finer):
            if resolution != coarse:
                windows = self._windows(quarters, resolution)
                row, column, step = row * 2, column * 2, STEPS
            steps = _halvings(step) if resolution == self.resolution else (step,)
            score = self._refine(windows, (row, column, flip), resolution, steps)
        score[self.is_flat] = 0
        scale = self.patch_size / (self.resolution * STEPS)
        return PatchMatch(
            score, (row * scale).astype("f4"), (column * scale).astype("f4"), flip
        )

    def _resolutions(self, side: int) -> list[int]:
        """Returns the sizes of a patch at which the search looks, coarse to fine."""
        sizes = [self.resolution]
        while (
            sizes[0] % 2 == 0
            and sizes[0] // 2 >= _MIN_SEARCH_RESOLUTION
            and (
                sizes[0] > _MAX_SEARCH_RESOLUTION
                or side * sizes[0] / self.patch_size > _MAX_SEARCH_SIDE
            )
        ):
            sizes.insert(0, sizes[0] // 2)
        return sizes

    def _windows(
        self, quarters: NDArray[np.float32], resolution: int
    ) -> QuarterPixelWindows:
        factor = self.resolution // resolution
        return QuarterPixelWindows(
            scale_image(quarters, factor), resolution, self.min_std
        )

    def _refine(
        self,
        windows: QuarterPixelWindows,
        found: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]],
        resolution: int,
        steps: tuple[int, ...],
    ) -> NDArray[np.float32]:
        """Moves each window to the best of its neighbours, step by step.

        Args:
            windows: Of the image.
            found: Rows and columns in quarters of a pixel, which it changes, and flips.
            resolution: Size of a patch in this search.
            steps: Distances to the neighbours in quarters of a pixel.

        Returns:
            The scores.
        """
        row, column, flip = found
        with self._lock:
            patches = self._standardized(resolution)
        score = np.empty(len(patches), np.float32)
        batch = max(1, _BATCH_VALUES // resolution**2)
        for start in range(0, len(patches), batch):
            part = slice(start, start + batch)
            turned = flip_patches(patches[part], flip[part])
            score[part] = windows.correlate(turned, row[part], column[part])
            for step in steps:
                _step(turned, windows, (row[part], column[part], score[part]), step)
        return score

    def _standardize(self, resolution: int) -> NDArray[np.float32]:
        """Averages the patches down, to mean 0 and norm 1; flat ones become 0."""
        factor = self.resolution // resolution
        shape = (-1, resolution, factor, resolution, factor)
        centered = self.patches.reshape(shape).mean(axis=(2, 4))
        centered -= centered.mean(axis=(1, 2), keepdims=True)
        norm = np.sqrt(np.einsum("nij,nij->n", centered, centered))
        inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
        centered *= inverse[:, None, None]
        return np.asarray(centered)


def _halvings(step: int) -> tuple[int, ...]:
    """Returns `step`, half of it, ... down to 1."""
    return tuple(step >> i for i in range(step.bit_length()))


def _step(
    patches: NDArray[np.float32],
    windows: QuarterPixelWindows,
    place: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    step: int,
) -> None:
    """Moves to the best of the eight neighbours where one is better.

    Args:
        patches: Flipped as they match.
        windows: Of the image.
        place: Rows, columns and scores, which it changes.
        step: Distance to the neighbours in quarters of a pixel.
    """
    best_row, best_column, best_score = place
    row, column = best_row.copy(), best_column.copy()
    for down in (-step, 0, step):
        for right in (-step, 0, step):
            if down == right == 0:
                continue
            score = windows.correlate(patches, row + down, column + right)
            better = score > best_score
            best_score[better] = score[better]
            best_row[better] = row[better] + down
            best_column[better] = column[better] + right


def match_images(
    matcher: PixelMatcher,
    disguise_matcher: DisguiseMatcher,
    store: Store,
    images: Iterable[int],
    folder: Path,
    *,
    description: str,
) -> list[tuple[PatchMatch, DisguisedMatch]]:
    """Matches patches with images of a store, as far as their patches inside cover it.

    An image's matches are written as soon as they are known; those that `folder` holds
    already are read. One image is in memory per thread.

    Args:
        matcher: Holds the patches.
        disguise_matcher: Holds the same patches.
        store: The store.
        images: Positions in its `images`.
        folder: Keeps one file per image. It must belong to these patches.
        description: Of the progress bar.
    """

    def compute(index: int) -> NDArray[np.float32]:
        image = store.image(index).astype(np.float32) / np.float32(2**store.bits - 1)
        inside = _inside(store, index)
        found = matcher.match(image, inside)
        disguised = disguise_matcher.match(image, inside)
        return np.stack(
            [
                *dataclasses.astuple(found),
                *disguised.low_pass,
                disguised.turned,
                *disguised.sub_windows,
            ]
        ).astype(np.float32)

    def match(index: int) -> tuple[PatchMatch, DisguisedMatch]:
        path = folder / f"{store.images[index].key}.npy"
        kept = kept_array(path, lambda: compute(index))
        (score, row, column, flip), disguised = kept[:4], kept[4:]
        return (
            PatchMatch(score, row, column, flip.astype(np.uint8)),
            DisguisedMatch(
                disguised[: NUM_SUB_WINDOWS + 1],
                disguised[NUM_SUB_WINDOWS + 1],
                disguised[NUM_SUB_WINDOWS + 2 :],
            ),
        )

    images = list(images)
    # NumPy releases the interpreter, and threads share the patches. The matrix products
    # get one thread each; the image's own thread keeps the core busy.
    with (
        progress_bar(total=len(images), description=description, unit="image") as bar,
        threadpoolctl.threadpool_limits(1, "blas"),
        concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as executor,
    ):
        matches = []
        try:
            for found in executor.map(match, images):
                matches.append(found)
                bar.update()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return matches


def _inside(store: Store, index: int) -> NDArray[np.bool_]:
    """Returns what an image's patches inside the organ cover, and a stride beyond.

    Only these patches train a generator; a copy may be cut between them.
    """
    inside = np.zeros((store.images[index].height, store.images[index].width), bool)
    reach = store.geometry.patch_size + store.geometry.stride
    patches = store.patches_of_image(index, inside_only=True)
    for row, column in zip(
        store.patch_row[patches], store.patch_column[patches], strict=True
    ):
        inside[row : row + reach, column : column + reach] = True
    return inside
