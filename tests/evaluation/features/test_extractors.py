from __future__ import annotations

import numpy as np

from gastritis_gan.evaluation.features.extractors import make_extractor


def test_mean_and_std_worked_by_hand():
    extractor = make_extractor("mean_and_std", resolution=2)
    images = np.array([[-1, 1, -1, 1], [0.5] * 4], np.float32).reshape(2, 2, 2, 1)
    np.testing.assert_array_equal(extractor(images), [[0, 1], [0.5, 0]])
    assert extractor.dim == 2


def test_texture_is_made_by_its_name():
    assert make_extractor("texture", resolution=32).name == "texture"
