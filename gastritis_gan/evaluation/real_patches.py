"""Blocks of a store's patches."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patch_block import (
    PATCHES_PER_BLOCK,
    PatchBlock,
    content_key,
)
from gastritis_gan.store.store import Store, read_patches


def real_blocks(
    store: Store, indices: NDArray[np.int64], resolution: int
) -> tuple[PatchBlock, ...]:
    """Returns blocks of a store's patches; nothing is read yet.

    Args:
        store: The store.
        indices: Shape `(n,)`, rows of the patch table.
        resolution: Side of the patches in pixels, at most the store's patch size.
    """
    return tuple(
        _block(store, indices[start : start + PATCHES_PER_BLOCK], resolution)
        for start in range(0, len(indices), PATCHES_PER_BLOCK)
    )


def _block(store: Store, indices: NDArray[np.int64], resolution: int) -> PatchBlock:
    images, number_of_image = np.unique(store.patch_image[indices], return_inverse=True)
    return PatchBlock(
        key=content_key(
            "real",
            resolution,
            store.geometry.patch_size,
            store.bits,
            [store.images[image].sha256 for image in images],
            number_of_image.tolist(),
            store.patch_row[indices].tolist(),
            store.patch_column[indices].tolist(),
        ),
        num_patches=len(indices),
        read=functools.partial(read_patches, store, indices, resolution),
    )
