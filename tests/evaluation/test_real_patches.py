from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np

from gastritis_gan.evaluation.real_patches import real_blocks
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.store import read_patches


@dataclasses.dataclass
class TwoImages:
    """Two random images of 40 x 40 pixels, 150 patches of 16 pixels in each."""

    hashes: tuple[str, str] = ("a", "b")
    bits: int = 8

    def __post_init__(self):
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 256, (2, 40, 40), np.uint8)
        self.images = [SimpleNamespace(sha256=value) for value in self.hashes]
        self.geometry = PatchGeometry(patch_size=16, stride=8)
        self.patch_image = np.repeat([0, 1], 150)
        self.patch_row, self.patch_column = rng.integers(0, 24, (2, 300))

    def image(self, index):
        return self.pixels[index]

    def window(self, index):
        row, column = self.patch_row[index], self.patch_column[index]
        image = self.pixels[self.patch_image[index]]
        return image[row : row + 16, column : column + 16]


def keys(store, indices=None, resolution=8):
    indices = np.arange(300) if indices is None else indices
    return [block.key for block in real_blocks(store, indices, resolution)]


def test_blocks_read_the_stores_patches_in_order():
    store = TwoImages()
    indices = np.arange(0, 300, 2)
    blocks = real_blocks(store, indices, 8)
    assert [block.num_patches for block in blocks] == [128, 22]
    read = np.concatenate([block.read() for block in blocks])
    np.testing.assert_array_equal(read, read_patches(store, indices, 8))


def test_keys_follow_the_content():
    assert keys(TwoImages()) == keys(TwoImages())
    changed_image = keys(TwoImages(hashes=("a", "c")))
    assert changed_image[0] == keys(TwoImages())[0]  # of the first image alone
    assert changed_image[1] != keys(TwoImages())[1]
    assert not set(keys(TwoImages(), resolution=4)) & set(keys(TwoImages()))
    assert not set(keys(TwoImages(), np.arange(1, 300))) & set(keys(TwoImages()))
    moved = TwoImages()
    moved.patch_row[5] += 1
    assert keys(moved)[0] != keys(TwoImages())[0]
