"""Reads patches out of a store's images."""

from __future__ import annotations

import math

import numpy as np

from gastritis_gan.images import AreaResize
from gastritis_gan.store.store import Store

_TENSOR_ALIGNMENT = 64  # bytes


def read_patches(store: Store, indices: np.ndarray, resolution: int) -> np.ndarray:
    """Reads patches and averages them down to `resolution`.

    Args:
        store: The store.
        indices: ndarray of int of shape (n,), rows of the patch table.
        resolution: Side of the output in pixels, at most the store's patch size.

    Returns:
        ndarray of float32 of shape (n, resolution, resolution, 1) in [-1, 1].

    Raises:
        ValueError: `resolution` is above the patch size.
    """
    patches = _aligned_empty((len(indices), resolution, resolution, 1))
    scale = 2.0 / (2**store.bits - 1)
    resize = AreaResize(store.geometry.patch_size, resolution, scale=scale, offset=-1.0)
    for index, patch in zip(indices, patches, strict=True):
        resize(store.window(index), patch[..., 0])
        np.clip(patch, -1.0, 1.0, out=patch)  # a rounding error may pass 1
    return patches


def _aligned_empty(shape: tuple[int, ...]) -> np.ndarray:
    """Returns a new float32 array that TensorFlow takes over instead of copying it."""
    num_bytes = 4 * math.prod(shape)
    memory = np.empty(num_bytes + _TENSOR_ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _TENSOR_ALIGNMENT
    return memory[start : start + num_bytes].view(np.float32).reshape(shape)
