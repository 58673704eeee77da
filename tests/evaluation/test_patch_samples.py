from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from gastritis_gan.evaluation.patch_samples import (
    PatchSample,
    generated_patches,
    joined,
    real_patches,
    sample_features,
    whole,
)
from gastritis_gan.storage import ArrayFolder
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.store import read_patches
from tests.helpers.toy_patches import make_blocks


def test_features_are_those_of_the_chosen_patches_in_order():
    patches = np.arange(50.0).reshape(50, 1)
    blocks = make_blocks(patches, "a", size=8)
    sample = PatchSample(blocks=blocks, chosen=np.array([0, 7, 8, 30, 49]))
    read = []

    def read_features(block):
        read.append(block.key)
        return block.read()

    both = joined([sample, whole(blocks[:1])])
    features = sample_features(both, read_features)
    assert features.ravel().tolist() == [0, 7, 8, 30, 49, *range(8)]
    assert read == ["a0", "a8", "a24", "a48", "a0"]  # only blocks with a chosen patch
    assert len(sample) == 5
    taken = sample.take(np.array([1, 3]))
    assert sample_features(taken, read_features).ravel().tolist() == [7, 30]


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
    return [block.key for block in real_patches(store, indices, resolution).blocks]


def test_blocks_read_the_stores_patches_in_order():
    store = TwoImages()
    indices = np.arange(0, 300, 2)
    blocks = real_patches(store, indices, 8).blocks
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


SEEDS = np.arange(300)


class FlatGenerator:
    """Makes flat images whose grey level is the seed; counts the images."""

    resolution = 4

    def __init__(self, model_hash="hash"):
        self.model_hash = model_hash
        self.num_images = 0

    def generate(self, seeds):
        self.num_images += len(seeds)
        grey = (seeds % 256).astype(np.uint8)
        return np.broadcast_to(grey[:, None, None, None], (len(seeds), 4, 4, 1))


def sample_blocks(folder, generator, seeds=SEEDS):
    return generated_patches(generator, seeds, ArrayFolder(folder)).blocks


def test_blocks_are_named_after_the_generators_weights_and_the_seeds(tmp_path):
    generator = FlatGenerator()
    blocks = sample_blocks(tmp_path, generator)
    assert [block.num_patches for block in blocks] == [128, 128, 44]
    other = sample_blocks(tmp_path, FlatGenerator("other hash"))
    later = sample_blocks(tmp_path, generator, seeds=SEEDS + 1)
    keys = {block.key for found in (blocks, other, later) for block in found}
    assert len(keys) == 9
    again = sample_blocks(tmp_path, FlatGenerator())
    assert [b.key for b in again] == [b.key for b in blocks]


def test_a_sample_is_made_once(tmp_path):
    generator = FlatGenerator()
    first = [block.read() for block in sample_blocks(tmp_path, generator)]
    assert generator.num_images == 300
    second = [block.read() for block in sample_blocks(tmp_path, generator)]
    assert generator.num_images == 300
    grey = (np.concatenate(first)[:, 0, 0, 0] + 1) * 127.5
    np.testing.assert_allclose(grey, SEEDS % 256, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_nothing_is_made_before_it_is_read(tmp_path):
    generator = FlatGenerator()
    blocks = sample_blocks(tmp_path / "samples", generator)
    assert all(block.generator is generator for block in blocks)
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize("num_bytes", [0, 500])
def test_a_truncated_file_is_made_again(tmp_path, num_bytes):
    generator = FlatGenerator()
    block = sample_blocks(tmp_path, generator)[2]
    before = block.read()
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(path.read_bytes()[:num_bytes])
    np.testing.assert_array_equal(block.read(), before)
    assert generator.num_images == 2 * 44
