"""Every sample against every image, image by image, so that a kill costs one image."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from gastritis_gan.privacy.patch_match import PatchMatch
from gastritis_gan.privacy.pixel_matcher import PixelMatcher
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import new_file

Images = Sequence[tuple[str, Callable[[], NDArray[np.float32]]]]
"""Key of each image, and a function that reads it: `(height, width)` in [0, 1]."""


def match_images(
    matcher: PixelMatcher, images: Images, folder: Path, *, description: str
) -> list[PatchMatch]:
    """Matches the matcher's patches with every image.

    An image's matches are written as soon as they are known; those that `folder` holds
    already are read. One image is in memory per thread.

    Args:
        matcher: Holds the patches.
        images: What to compare with.
        folder: Keeps one file per image. It must belong to these patches.
        description: Of the progress bar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = {key: found for key, _ in images if (found := _read(folder / f"{key}.npz"))}
    missing = [(key, read) for key, read in images if key not in done]
    bar = progress_bar(
        total=len(images), initial=len(done), description=description, unit="image"
    )
    # NumPy releases the interpreter, and threads share the patches. The matrix products
    # get one thread each; the image's own thread keeps the core busy.
    with (
        bar,
        threadpoolctl.threadpool_limits(1, "blas"),
        concurrent.futures.ThreadPoolExecutor(_num_threads()) as executor,
    ):
        futures = {
            executor.submit(_match, matcher, read, folder / f"{key}.npz"): key
            for key, read in missing
        }
        try:
            for future in concurrent.futures.as_completed(futures):
                done[futures[future]] = future.result()
                bar.update()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
    return [done[key] for key, _ in images]


def scores_of(matches: Sequence[PatchMatch]) -> NDArray[np.float32]:
    """Returns the scores of shape `(patches, images)`."""
    return np.stack([match.score for match in matches], axis=1)


def _num_threads() -> int:
    return len(os.sched_getaffinity(0))


def _match(
    matcher: PixelMatcher, read: Callable[[], NDArray[np.float32]], path: Path
) -> PatchMatch:
    match = matcher.match(read())
    with new_file(path) as partial, partial.open("wb") as stream:
        np.savez(stream, **dataclasses.asdict(match))
    return match


def _read(path: Path) -> PatchMatch | None:
    """Returns what an earlier run wrote; None where it has to be done (again)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return PatchMatch(
                *(archive[field.name] for field in dataclasses.fields(PatchMatch))
            )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
