import numpy as np
import pytest

from gastritis_gan.images import area_resize
from gastritis_gan.privacy.windows import scale_image

IMAGE = np.random.default_rng(0).integers(0, 256, (45, 61)).astype(np.uint8)


@pytest.mark.parametrize("factor", [1, 2, 2.5, 299 / 32])
def test_a_window_is_the_block_that_area_resize_gives(factor):
    size = round(4 * factor) if factor < 9 else 37
    resolution = round(size / factor)
    window = area_resize(IMAGE[:size, :size], resolution)
    block = scale_image(IMAGE, size / resolution)[:resolution, :resolution]
    np.testing.assert_allclose(block, window, rtol=1e-5)


def test_an_offset_of_whole_pixels_is_a_shifted_image():
    shifted = scale_image(IMAGE[3:, 5:], 2.5)
    offset = scale_image(IMAGE, 2.5, offset=(3, 5))
    np.testing.assert_allclose(offset, shifted, rtol=1e-6)


def test_half_a_pixel_takes_half_of_each_neighbour():
    image = np.array([[0, 10, 40, 90]])
    actual = scale_image(np.repeat(image, 2, axis=0), 1, offset=(0, 0.5))
    np.testing.assert_allclose(actual, [[5, 25, 65]] * 2)


def test_the_size_counts_whole_boxes():
    assert scale_image(IMAGE, 10).shape == (4, 6)
    assert scale_image(IMAGE, 10, offset=(6, 0)).shape == (3, 6)
