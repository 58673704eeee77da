from __future__ import annotations

import numpy as np

from gastritis_gan.evaluation.patches import PatchSample, sample_features, whole

from .toy import make_blocks


def test_features_are_those_of_the_chosen_patches_in_order():
    patches = np.arange(50.0).reshape(50, 1)
    blocks = make_blocks(patches, "a", size=8)
    sample = PatchSample(blocks=blocks, chosen=np.array([0, 7, 8, 30, 49]))
    read = []

    def read_features(block):
        read.append(block.key)
        return block.read()

    features = sample_features([sample, whole(blocks[:1])], read_features)
    assert features.ravel().tolist() == [0, 7, 8, 30, 49, *range(8)]
    assert read == ["a0", "a8", "a24", "a48", "a0"]  # only blocks with a chosen patch
    assert len(sample) == 5
    taken = sample.take(np.array([1, 3]))
    assert sample_features([taken], read_features).ravel().tolist() == [7, 30]
