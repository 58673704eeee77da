from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.area_resize import area_resize


def _mean_of_box(image: np.ndarray, low: tuple[float, float], side: float) -> float:
    """Integrates the image, constant on unit squares, over a square box."""
    total = 0.0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            height = max(0.0, min(low[0] + side, y + 1) - max(low[0], y))
            width = max(0.0, min(low[1] + side, x + 1) - max(low[1], x))
            total += image[y, x] * height * width
    return total / side**2


@pytest.mark.parametrize(
    ("size", "resolution"), [(7, 4), (12, 5), (13, 1), (29, 2), (10, 9), (41, 4)]
)
def test_every_pixel_is_the_mean_of_its_box(size, resolution):
    image = np.random.default_rng(0).integers(0, 65536, (size, size), np.uint16)
    side = size / resolution
    expected = [
        [_mean_of_box(image, (i * side, j * side), side) for j in range(resolution)]
        for i in range(resolution)
    ]
    np.testing.assert_allclose(area_resize(image, resolution), expected, rtol=2e-6)


@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64, 128])
def test_a_whole_factor_is_the_mean_of_blocks(resolution):
    image = np.random.default_rng(1).integers(0, 256, (128, 128), np.uint8)
    step = 128 // resolution
    expected = image.reshape(resolution, step, resolution, step).mean(axis=(1, 3))
    np.testing.assert_allclose(area_resize(image, resolution), expected, rtol=1e-6)


@pytest.mark.parametrize("resolution", [4, 32, 256, 299])
def test_the_mean_of_the_papers_patch_is_kept(resolution):
    image = np.random.default_rng(2).integers(0, 256, (299, 299), np.uint8)
    resized = area_resize(image, resolution)
    assert resized.dtype == np.float32
    assert resized.mean(dtype=np.float64) == pytest.approx(image.mean(), rel=1e-6)


def test_the_own_size_changes_nothing():
    image = np.random.default_rng(3).integers(0, 256, (31, 31), np.uint8)
    np.testing.assert_array_equal(area_resize(image, 31), image)


@pytest.mark.parametrize("resolution", [0, 17])
def test_other_sizes_are_refused(resolution):
    with pytest.raises(ValueError, match=f"Received: {resolution}"):
        area_resize(np.zeros((16, 16)), resolution)
