"""Arrays that are computed once, however often an audit is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.files import new_file


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
