from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from skimage.metrics import structural_similarity

from gastritis_gan.evaluation.image_metrics.diversity import (
    mean_pairwise_distance,
    ms_ssim,
    ms_ssim_diversity,
    num_scales,
)


def smooth_pairs(count, size):
    """Pairs that are alike, so that no scale is anticorrelated."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (count, size, size)).astype(float)
    first = (first + np.roll(first, 1, 1) + np.roll(first, 1, 2)) / 3
    second = 0.6 * first + 0.4 * rng.integers(0, 256, first.shape)
    return np.rint(first).astype(np.uint8), np.rint(second).astype(np.uint8)


@pytest.mark.parametrize(
    ("resolution", "scales"),
    [(4, 1), (8, 1), (16, 1), (32, 2), (64, 3), (128, 4), (176, 5), (256, 5)],
)
def test_number_of_scales(resolution, scales):
    assert num_scales(resolution) == scales


def test_one_scale_is_scikit_images_ssim():
    first, second = smooth_pairs(5, 16)
    expected = [
        structural_similarity(
            one, other, data_range=255, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for one, other in zip(first, second, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(ms_ssim(first, second), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "weights"),
    [
        (32, (0.0448, 0.2856)),
        (256, (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)),
    ],
)
def test_several_scales_are_tensorflows(size, weights):
    tf = pytest.importorskip("tensorflow")
    first, second = smooth_pairs(4, size)
    powers = np.array(weights) / sum(weights)
    expected = tf.image.ssim_multiscale(
        first[..., None], second[..., None], 255, power_factors=powers.tolist()
    ).numpy()
    assert expected.max() - expected.min() > 1e-3
    np.testing.assert_allclose(ms_ssim(first, second), expected, rtol=1e-4)


def test_four_pixels_have_a_window_of_three():
    first, second = (images[:1] for images in smooth_pairs(1, 4))
    weights = np.exp(-np.array([1, 0, 1]) / (2 * (1.5 * 3 / 11) ** 2))
    window = np.outer(weights, weights) / weights.sum() ** 2
    values = []
    for row in range(2):
        for column in range(2):
            x, y = (
                image[0, row : row + 3, column : column + 3].astype(float)
                for image in (first, second)
            )
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            var_x, var_y = (window * x**2).sum(), (window * y**2).sum()
            covariance = (window * x * y).sum() - mean_x * mean_y
            values.append(
                (2 * mean_x * mean_y + 2.55**2)
                / (mean_x**2 + mean_y**2 + 2.55**2)
                * (2 * covariance + 7.65**2)
                / (var_x - mean_x**2 + var_y - mean_y**2 + 7.65**2)
            )
    assert ms_ssim(first, second)[0] == pytest.approx(max(np.mean(values), 0))


def test_diversity_is_1_for_copies_and_low_for_noise():
    rng = np.random.default_rng(0)
    copies = np.repeat(rng.integers(0, 256, (1, 32, 32), np.uint8), 7, axis=0)
    assert ms_ssim_diversity(copies, num_pairs=200, seed=0) == pytest.approx(1)
    noise = rng.integers(0, 256, (20, 32, 32), np.uint8)
    assert ms_ssim_diversity(noise, num_pairs=200, seed=0) < 0.2


def test_a_pair_is_never_an_image_with_itself():
    two = np.stack([np.zeros((16, 16)), np.full((16, 16), 255)]).astype(np.uint8)
    # Flat black against flat white: only the luminance term, C1 / (255^2 + C1).
    expected = 6.5025 / (255**2 + 6.5025)
    actual = ms_ssim_diversity(two, num_pairs=100, seed=1)
    assert actual == pytest.approx(expected)


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
