from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from gastritis_gan.evaluation.image_metrics.diversity import mean_pairwise_distance


def test_mean_pairwise_distance_worked_by_hand():
    images = np.array([0, 30, 100], np.uint8)[:, None, None] * np.ones(
        (1, 4, 4), np.uint8
    )
    assert mean_pairwise_distance(images) == pytest.approx((30 + 100 + 70) / 3)


def test_it_is_a_root_mean_square_over_pixels():
    images = np.zeros((2, 2, 2), np.uint8)
    images[1, 0, 0] = 200
    assert mean_pairwise_distance(images) == pytest.approx(200 / np.sqrt(4))


def test_many_pixels_are_scipys_distances():
    images = np.random.default_rng(0).integers(0, 256, (30, 80, 70), np.uint8)
    expected = pdist(images.reshape(30, -1).astype(float)).mean() / np.sqrt(80 * 70)
    assert mean_pairwise_distance(images) == pytest.approx(expected)
    assert mean_pairwise_distance(images[[0, 0, 0]]) == 0


def test_one_image_has_no_pair():
    with pytest.raises(ValueError, match="at least two"):
        mean_pairwise_distance(np.zeros((1, 4, 4)))
