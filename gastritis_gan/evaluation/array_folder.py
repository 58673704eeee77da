"""Arrays on disk that are either complete or absent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gastritis_gan.files import new_file

_HEADER_BYTES = 128  # of any array of up to four dimensions that np.save writes


class ArrayFolder:
    """Arrays as `.npy` files named after the hash of what is in them.

    Args:
        path: The folder; made when the first array is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def holds(self, key: str, shape: tuple[int, ...], dtype: DTypeLike) -> bool:
        """Tells whether there is a file that is long enough for such an array.

        Args:
            key: 64 hexadecimal digits.
            shape: Of the array.
            dtype: Of the array.
        """
        path = self._path(key)
        num_bytes = _HEADER_BYTES + math.prod(shape) * np.dtype(dtype).itemsize
        return path.is_file() and path.stat().st_size == num_bytes

    def read(self, key: str) -> NDArray[Any]:
        """Returns an array that the folder holds."""
        array: NDArray[Any] = np.load(self._path(key), allow_pickle=False)
        return array

    def write(self, key: str, array: NDArray[Any]) -> None:
        """Writes an array in one step."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as partial, partial.open("wb") as stream:
            np.save(stream, np.ascontiguousarray(array))

    def _path(self, key: str) -> Path:
        return self.path / key[:2] / f"{key[2:]}.npy"
