from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from gastritis_gan.evaluation.image_metrics import swd
from gastritis_gan.evaluation.image_metrics.swd import (
    laplacian_pyramid,
    sliced_wasserstein_distance,
)


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
    actual = swd._sliced_distance(first, second, np.random.default_rng(1))
    angles = np.linspace(0, np.pi, 360, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = np.mean(
        [wasserstein_distance(first @ d, second @ d) for d in directions]
    )
    assert actual == pytest.approx(expected, rel=0.05)  # 512 random directions


def test_gaussians_of_two_shapes_have_the_closed_form():
    # Along a unit direction d the descriptors are N(0, 1) and N(0, d' C d) with trace
    # C = d; W1 of two centred normals is sqrt(2 / pi) |difference of deviations|.
    rng = np.random.default_rng(0)
    scales = np.array([1.6, 0.8, 0.8]) / np.sqrt(np.mean([1.6**2, 0.8**2, 0.8**2]))
    first = rng.normal(size=(50_000, 3)).astype(np.float32)
    second = (rng.normal(size=(50_000, 3)) * scales).astype(np.float32)
    directions = rng.normal(size=(100_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    deviations = np.sqrt((directions**2 * scales**2).sum(axis=1))
    expected = np.sqrt(2 / np.pi) * np.mean(np.abs(deviations - 1))
    actual = swd._sliced_distance(first, second, np.random.default_rng(1))
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
    # Each set is standardised by its own mean and deviation.
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
