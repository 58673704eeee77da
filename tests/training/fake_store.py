"""Stands for a store: random patches of 16 pixels, no file."""

from pathlib import Path

import numpy as np

from gastritis_gan.store.patches import PatchGeometry


class FakeStore:
    path = Path("store")
    split_hash = "ab" * 32
    positive = "gastritis"
    negative = "non_gastritis"
    bits = 8
    geometry = PatchGeometry(patch_size=16, stride=16)

    def __init__(self, num_patches=12):
        levels = np.random.default_rng(0).integers(0, 256, (num_patches, 4, 4))
        self.patch_image = np.arange(num_patches)  # one patch an image
        self._windows = np.kron(levels, np.ones((4, 4), int)).astype(np.uint8)

    def keep_images(self):
        pass

    def window(self, index):
        return self._windows[index]

    def patch_set(self, name, split):
        if split == "validation":
            return np.arange(0, dtype=np.int64)
        third = len(self._windows) // 3
        start = ("positive", "negative", "outside").index(name) * third
        return np.arange(start, start + third, dtype=np.int64)
