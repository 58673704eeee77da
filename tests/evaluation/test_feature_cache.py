from __future__ import annotations

import threading

import numpy as np
import pytest

from gastritis_gan.evaluation.feature_cache import (
    FeatureCache,
    compute_features,
    missing_blocks,
)
from gastritis_gan.evaluation.patch_samples import PatchBlock, content_key

DESCRIPTION = {"name": "pixels", "dim": 3, "weights_sha256": "a"}


class Pixels:
    """Features are the pixels; remembers how many patches it was given."""

    name, dim = "pixels", 3

    def __init__(self, fail_at=None):
        self.num_patches = []
        self.fail_at = fail_at

    def __call__(self, images):
        if len(self.num_patches) == self.fail_at:
            raise KeyboardInterrupt
        self.num_patches.append(len(images))
        return images.reshape(len(images), -1)

    def describe(self):
        return DESCRIPTION


def make_blocks(count, threads=None):
    def read(number):
        if threads is not None:
            threads.add(threading.get_ident())
        return np.full((2, 1, 3, 1), number, np.float32)

    return [
        PatchBlock(
            key=content_key("toy", number), num_patches=2, read=lambda n=number: read(n)
        )
        for number in range(count)
    ]


def test_what_was_written_is_read(tmp_path):
    blocks = make_blocks(3)
    cache = FeatureCache(tmp_path, DESCRIPTION)
    threads = set()
    blocks = make_blocks(9, threads)
    steps = []
    compute_features(Pixels(), blocks, cache, report_patches=steps.append)
    assert sum(steps) == 18
    assert threading.get_ident() not in threads  # blocks are read beside computing
    again = FeatureCache(tmp_path, dict(reversed(DESCRIPTION.items())))
    assert missing_blocks(blocks, again) == []
    assert again.read(blocks[5]).tolist() == [[5, 5, 5]] * 2


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    blocks = make_blocks(12)
    cache = FeatureCache(tmp_path, DESCRIPTION)
    with pytest.raises(KeyboardInterrupt):
        compute_features(Pixels(fail_at=7), blocks, cache)
    left = missing_blocks(blocks, cache)
    assert left == blocks[7:]
    extractor = Pixels()
    compute_features(extractor, left, cache)
    assert extractor.num_patches == [2] * 5
    assert not list(tmp_path.rglob("*partial*"))


def test_other_weights_or_content_are_not_found(tmp_path):
    (block,) = make_blocks(1)
    compute_features(Pixels(), [block], FeatureCache(tmp_path, DESCRIPTION))
    assert block in FeatureCache(tmp_path, DESCRIPTION)
    assert block not in FeatureCache(tmp_path, DESCRIPTION | {"weights_sha256": "b"})
    assert make_blocks(2)[1] not in FeatureCache(tmp_path, DESCRIPTION)


def test_a_truncated_file_is_computed_again(tmp_path):
    blocks = make_blocks(2)
    cache = FeatureCache(tmp_path, DESCRIPTION)
    compute_features(Pixels(), blocks, cache)
    path = next(p for p in cache.folder.rglob("*.npy") if p.stem in blocks[1].key)
    path.write_bytes(path.read_bytes()[:-1])
    assert missing_blocks(blocks, cache) == [blocks[1]]


def test_equal_blocks_are_computed_once(tmp_path):
    blocks = make_blocks(2) + make_blocks(2)
    assert len(missing_blocks(blocks, FeatureCache(tmp_path, DESCRIPTION))) == 2
