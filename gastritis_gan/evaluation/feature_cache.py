"""Features on disk, so that they need not fit into memory and outlive a kill."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.patch_block import PatchBlock
from gastritis_gan.storage import ArrayFolder, write_json


class FeatureCache:
    """Features of one extractor, a file for each block of patches.

    The extractor's folder is named after everything that its description says, the hash
    of its weights included, and a file after the content of its block: a stale entry is
    not found rather than used.

    Args:
        folder: Where the folders of the extractors are; made when needed.
        description: The extractor's `describe()`.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        text = json.dumps(description, sort_keys=True)
        identity = hashlib.sha256(text.encode()).hexdigest()
        self.folder = folder / f"{description['name']}-{identity[:16]}"
        self._arrays = ArrayFolder(self.folder)
        self._dim = int(description["dim"])
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "extractor.json", description)

    def __contains__(self, block: PatchBlock) -> bool:
        return self._arrays.holds(block.key, self._shape(block), np.float32)

    def read(self, block: PatchBlock) -> NDArray[np.float32]:
        """Returns the `(num_patches, dim)` features of a block that is in the cache."""
        return self._arrays.read(block.key)

    def write(self, block: PatchBlock, features: NDArray[np.float32]) -> None:
        """Keeps the features of a block; shape `(num_patches, dim)`.

        Raises:
            ValueError: The features have another shape.
        """
        expected = self._shape(block)
        if features.shape != expected:
            raise ValueError(
                f"`features` must have the shape {expected}. Received: {features.shape}"
            )
        self._arrays.write(block.key, features.astype(np.float32, copy=False))

    def _shape(self, block: PatchBlock) -> tuple[int, int]:
        return block.num_patches, self._dim
