"""Arrays that are computed once, however often an audit is interrupted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.files import new_file
from gastritis_gan.progress import progress_bar


def kept_array(path: Path, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Returns the array that `path` holds; without one, computes and writes it.

    Args:
        path: A `.npy` file, in a folder that belongs to one plan; missing parents are
            made. A damaged file is computed again.
        compute: Makes the array.
    """
    try:
        with path.open("rb") as stream:
            kept: NDArray[Any] = np.load(stream, allow_pickle=False)
        return kept
    except (OSError, ValueError, EOFError):
        array = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as partial, partial.open("wb") as stream:
        np.save(stream, array)
    return array


def kept_rows(
    folder: Path,
    number: int,
    compute: Callable[[slice], NDArray[Any]],
    *,
    rows_per_file: int,
    description: str,
) -> NDArray[Any]:
    """Returns an array that is computed and kept some rows at a time.

    Args:
        folder: Gets a file for every `rows_per_file` rows.
        number: Of all rows, at least 1.
        compute: Makes the rows of a slice.
        rows_per_file: What an interruption may cost.
        description: Of the progress bar.
    """
    parts = []
    with progress_bar(total=number, description=description, unit="image") as bar:
        for start in range(0, number, rows_per_file):
            part = slice(start, min(start + rows_per_file, number))
            path = folder / f"{start:06d}.npy"
            parts.append(kept_array(path, functools.partial(compute, part)))
            bar.update(len(parts[-1]))
    return np.concatenate(parts)
