"""Blocks of a generator's samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patch_block import (
    PATCHES_PER_BLOCK,
    PatchBlock,
    content_key,
)
from gastritis_gan.storage import ArrayFolder

Generate = Callable[[NDArray[np.int64]], NDArray[np.uint8]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratedPatches:
    """The samples of one generator; each is made once, for all extractors.

    Attributes:
        generate: Function from seeds `(n,)` to uint8 images `(n, r, r, 1)`.
        model_hash: Identity of the generator's graph and weights.
        resolution: Size of the images in pixels.
        samples: Where the images are kept.
    """

    generate: Generate
    model_hash: str
    resolution: int
    samples: ArrayFolder

    def blocks(self, seeds: NDArray[np.int64]) -> tuple[PatchBlock, ...]:
        """Returns blocks of samples; nothing is generated yet.

        Args:
            seeds: Shape `(n,)`, one per sample.
        """
        return tuple(
            self._block(seeds[start : start + PATCHES_PER_BLOCK])
            for start in range(0, len(seeds), PATCHES_PER_BLOCK)
        )

    def _block(self, seeds: NDArray[np.int64]) -> PatchBlock:
        key = content_key("generated", self.model_hash, seeds.tolist())

        def read() -> NDArray[np.float32]:
            shape = (len(seeds), self.resolution, self.resolution, 1)
            if not self.samples.holds(key, shape, np.uint8):
                self.samples.write(key, self.generate(seeds))
            images: NDArray[np.float32] = self.samples.read(key).astype(np.float32)
            images /= np.float32(127.5)
            images -= np.float32(1)
            return images

        return PatchBlock(key=key, num_patches=len(seeds), read=read, generated=True)
