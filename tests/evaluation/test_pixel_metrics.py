from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity

from gastritis_gan.evaluation import pixel_metrics
from gastritis_gan.evaluation.pixel_metrics import (
    laplacian_pyramid,
    mean_pairwise_distance,
    ms_ssim,
    ms_ssim_diversity,
    num_scales,
    sliced_wasserstein_distance,
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


def noise(count, size, seed, low=0, high=256):
    return np.random.default_rng(seed).integers(
        low, high, (count, size, size), np.uint8
    )


@pytest.mark.parametrize(
    ("size", "levels"),
    [(4, [4]), (8, [8]), (16, [16]), (32, [32, 16]), (128, [128, 64, 32, 16])],
)
def test_levels_reach_down_to_16_pixels(size, levels):
    distances = sliced_wasserstein_distance(
        noise(6, size, 0), noise(6, size, 1), seed=0
    )
    assert list(distances) == levels
    assert all(np.isfinite(value) and value > 0 for value in distances.values())


def test_the_distance_along_random_directions_is_scipys():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(300, 2)).astype(np.float32)
    second = (rng.normal(size=(300, 2)) * [1, 3] + [1, 0]).astype(np.float32)
    actual = pixel_metrics._sliced_distance(first, second, np.random.default_rng(1))
    angles = np.linspace(0, np.pi, 360, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = np.mean(
        [wasserstein_distance(first @ d, second @ d) for d in directions]
    )
    assert actual == pytest.approx(expected, rel=0.05)  # 512 random directions


def test_gaussians_of_two_shapes_have_the_closed_form():
    # Along a unit direction d the descriptors are N(0, 1) and N(0, d' C d) with trace
    # C = d; W1 of two centred normals is sqrt(2 / pi) times the
    # difference of their standard deviations.
    rng = np.random.default_rng(0)
    scales = np.array([1.6, 0.8, 0.8]) / np.sqrt(np.mean([1.6**2, 0.8**2, 0.8**2]))
    first = rng.normal(size=(50_000, 3)).astype(np.float32)
    second = (rng.normal(size=(50_000, 3)) * scales).astype(np.float32)
    directions = rng.normal(size=(100_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    deviations = np.sqrt((directions**2 * scales**2).sum(axis=1))
    expected = np.sqrt(2 / np.pi) * np.mean(np.abs(deviations - 1))
    actual = pixel_metrics._sliced_distance(first, second, np.random.default_rng(1))
    assert actual == pytest.approx(expected, rel=0.08)


def test_equal_images_at_the_only_position_are_at_distance_0():
    images = noise(10, 4, 0)  # one neighbourhood an image
    assert sliced_wasserstein_distance(images, images, seed=0)[4] == pytest.approx(
        0, abs=1e-3
    )


def test_blurred_noise_differs_in_detail_and_its_floor_does_not():
    sharp, other = noise(60, 32, 0), noise(60, 32, 1)
    blurred = (
        sum(np.roll(sharp, shift, (1, 2)).astype(int) for shift in [(0, 0), (0, 1)])
        // 2
    ).astype(np.uint8)
    floor = sliced_wasserstein_distance(sharp, other, seed=0)
    distance = sliced_wasserstein_distance(sharp, blurred, seed=0)
    assert distance[32] > 2 * floor[32]


def test_brightness_and_contrast_do_not_count():
    # Each set is standardised by its own mean and standard deviation.
    images = noise(40, 16, 0, 0, 128)
    brighter = images + np.uint8(100)
    first = sliced_wasserstein_distance(images, brighter, seed=0)[16]
    floor = sliced_wasserstein_distance(images, images, seed=0)[16]
    assert first == pytest.approx(floor, rel=0.02)


def test_the_larger_set_is_cut_and_equal_seeds_agree():
    first, second = noise(9, 16, 0), noise(5, 16, 1)
    again = sliced_wasserstein_distance(first, second, seed=3)
    assert sliced_wasserstein_distance(first, second, seed=3) == again
    assert sliced_wasserstein_distance(first, second, seed=4) != again


def test_flat_images_are_at_distance_0():
    flat = np.full((5, 16, 16), 9, np.uint8)
    assert sliced_wasserstein_distance(flat, flat, seed=0) == {16: 0}


KERNEL = np.array([1, 4, 6, 4, 1]) / 16


def mirrored(index, size):
    index = abs(index)
    return 2 * (size - 1) - index if index >= size else index


def blur_by_loops(image):
    size = len(image)
    blurred = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            for i in range(5):
                for j in range(5):
                    value = image[
                        mirrored(row + i - 2, size), mirrored(column + j - 2, size)
                    ]
                    blurred[row, column] += KERNEL[i] * KERNEL[j] * value
    return blurred


def test_bands_are_those_of_plain_loops():
    image = np.random.default_rng(0).uniform(0, 255, (32, 32))
    halved = blur_by_loops(image)[::2, ::2]
    spread = np.zeros((32, 32))
    spread[::2, ::2] = 4 * halved
    fine, coarse = laplacian_pyramid(image[None].astype(np.float32))
    np.testing.assert_allclose(coarse[0], halved, atol=1e-3)
    np.testing.assert_allclose(fine[0], image - blur_by_loops(spread), atol=1e-3)


def test_flat_images_have_no_detail_up_to_the_edge():
    bands = laplacian_pyramid(np.full((2, 64, 64), 100, np.float32))
    assert [band.shape for band in bands] == [(2, 64, 64), (2, 32, 32), (2, 16, 16)]
    np.testing.assert_allclose(bands[0], 0, atol=1e-4)
    np.testing.assert_allclose(bands[2], 100, rtol=1e-6)


def test_a_size_that_cannot_be_halved_is_the_last_band():
    bands = laplacian_pyramid(np.zeros((1, 66, 66), np.float32))
    assert [band.shape[1] for band in bands] == [66, 33]
