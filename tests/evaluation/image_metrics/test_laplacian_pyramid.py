from __future__ import annotations

import numpy as np

from gastritis_gan.evaluation.image_metrics.swd import laplacian_pyramid

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
