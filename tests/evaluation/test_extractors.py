from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.extractors import Texture, make_extractor


def test_mean_and_std_worked_by_hand():
    extractor = make_extractor("mean_and_std", resolution=2)
    images = np.array([[-1, 1, -1, 1], [0.5] * 4], np.float32).reshape(2, 2, 2, 1)
    np.testing.assert_array_equal(extractor(images), [[0, 1], [0.5, 0]])
    assert extractor.dim == 2


def test_texture_is_made_by_its_name():
    assert make_extractor("texture", resolution=32).name == "texture"


PROPERTIES = ["contrast", "dissimilarity", "homogeneity", "energy", "correlation"]
ANGLES = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]


def features_of_one_image_by_scikit_image(grey: np.ndarray) -> np.ndarray:
    features = []
    for points, radius in [(8, 1), (16, 2)]:
        codes = local_binary_pattern(grey, points, radius, "uniform")
        inner = codes[radius:-radius, radius:-radius]
        counts, _ = np.histogram(inner, np.arange(points + 3) - 0.5)
        features += list(counts / inner.size)
    matrix = graycomatrix(
        grey // 8, [1, 2, 4], ANGLES, levels=32, symmetric=True, normed=True
    )
    table = np.stack([graycoprops(matrix, p).mean(axis=1) for p in PROPERTIES], axis=1)
    return np.array([*features, *table.ravel()])


@pytest.mark.parametrize("resolution", [8, 32])
def test_every_image_has_the_features_that_scikit_image_computes(resolution):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (70, resolution, resolution), np.uint8)
    grey[1] = 77  # flat
    grey[2] = np.arange(resolution)[None, :] * 7  # a ramp
    images = (grey[..., None] / 127.5 - 1).astype(np.float32)
    expected = np.stack([features_of_one_image_by_scikit_image(g) for g in grey])
    actual = Texture()(images)
    assert actual.shape == (70, Texture.dim)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-6)


def test_no_images_give_no_features():
    assert Texture()(np.zeros((0, 32, 32, 1), np.float32)).shape == (0, Texture.dim)


def test_patches_too_small_for_a_circle_are_refused():
    with pytest.raises(InputError, match="at least 8 pixels, and these have 4"):
        Texture()(np.zeros((1, 4, 4, 1), np.float32))
