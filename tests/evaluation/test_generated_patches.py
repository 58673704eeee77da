from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.evaluation.generated_patches import GeneratedPatches
from gastritis_gan.storage import ArrayFolder

SEEDS = np.arange(300)


class Generator:
    """Makes flat images whose grey level is the seed; counts the images."""

    def __init__(self):
        self.num_images = 0

    def __call__(self, seeds):
        self.num_images += len(seeds)
        grey = (seeds % 256).astype(np.uint8)
        return np.broadcast_to(grey[:, None, None, None], (len(seeds), 4, 4, 1))


def make_blocks(folder, generate, *, model_hash="hash", seeds=SEEDS):
    return GeneratedPatches(
        generate=generate,
        model_hash=model_hash,
        resolution=4,
        samples=ArrayFolder(folder),
    ).blocks(seeds)


def test_blocks_are_named_after_the_generators_weights_and_the_seeds(tmp_path):
    blocks = make_blocks(tmp_path, None)
    assert [block.num_patches for block in blocks] == [128, 128, 44]
    other = make_blocks(tmp_path, None, model_hash="other hash")
    later = make_blocks(tmp_path, None, seeds=SEEDS + 1)
    keys = {block.key for found in (blocks, other, later) for block in found}
    assert len(keys) == 9
    again = make_blocks(tmp_path, None)
    assert [b.key for b in again] == [b.key for b in blocks]


def test_a_sample_is_made_once(tmp_path):
    generate = Generator()
    first = [block.read() for block in make_blocks(tmp_path, generate)]
    assert generate.num_images == 300
    second = [block.read() for block in make_blocks(tmp_path, generate)]
    assert generate.num_images == 300
    grey = (np.concatenate(first)[:, 0, 0, 0] + 1) * 127.5
    np.testing.assert_allclose(grey, SEEDS % 256, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_nothing_is_made_before_it_is_read(tmp_path):
    blocks = make_blocks(tmp_path / "samples", Generator())
    assert all(block.generated for block in blocks)
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize("num_bytes", [0, 500])
def test_a_truncated_file_is_made_again(tmp_path, num_bytes):
    generate = Generator()
    block = make_blocks(tmp_path, generate)[2]
    before = block.read()
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(path.read_bytes()[:num_bytes])
    np.testing.assert_array_equal(block.read(), before)
    assert generate.num_images == 2 * 44
