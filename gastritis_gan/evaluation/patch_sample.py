"""A choice of patches out of blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patch_block import PatchBlock

ReadFeatures = Callable[[PatchBlock], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchSample:
    """Chosen patches of a row of blocks.

    Attributes:
        blocks: The blocks, numbered through as one list of patches.
        chosen: Shape `(n,)`, ascending positions in that list.
    """

    blocks: tuple[PatchBlock, ...]
    chosen: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def used(self) -> Iterator[tuple[PatchBlock, NDArray[np.int64]]]:
        """Yields each block with a chosen patch, and which of its patches are."""
        edges = np.cumsum([0, *(block.num_patches for block in self.blocks)])
        bounds = np.searchsorted(self.chosen, edges)
        for number, block in enumerate(self.blocks):
            inside = self.chosen[bounds[number] : bounds[number + 1]] - edges[number]
            if len(inside):
                yield block, inside

    def take(self, positions: NDArray[np.int64]) -> PatchSample:
        """Returns the sample of the chosen patches at ascending `positions`."""
        return dataclasses.replace(self, chosen=self.chosen[positions])


def whole(blocks: tuple[PatchBlock, ...]) -> PatchSample:
    """Returns the sample of all patches of the blocks."""
    total = sum(block.num_patches for block in blocks)
    return PatchSample(blocks=blocks, chosen=np.arange(total))


def sample_features(
    samples: Sequence[PatchSample], read_features: ReadFeatures
) -> NDArray[np.float32]:
    """Returns the `(n, dim)` features of the samples, one after the other."""
    features = np.empty((0, 0), np.float32)
    start = 0
    for block, inside in (used for sample in samples for used in sample.used()):
        found = read_features(block)[inside]
        if start == 0:  # a list of parts would be as large again
            features = np.empty((sum(map(len, samples)), *found.shape[1:]), found.dtype)
        features[start : start + len(found)] = found
        start += len(found)
    return features
