from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from gastritis_gan.evaluation.extractors import Texture
from gastritis_gan.images import area_resize
from gastritis_gan.privacy.feature_space import (
    FeatureSpace,
    level,
    nearest_distances,
    read_dense_windows,
)
from gastritis_gan.privacy.membership import (
    closest_samples_scores,
    nearest_sample_scores,
)
from gastritis_gan.privacy.subjects import choose_cohort
from gastritis_gan.privacy.windows import FLIPS
from tests.helpers.small_store import SIDE, SmallStore

RNG = np.random.default_rng(0)


def test_nearest_distance_is_scipys():
    samples, patches = RNG.normal(size=(700, 5)), RNG.normal(size=(40, 5))
    expected = cdist(samples, patches).min(axis=1)
    np.testing.assert_allclose(nearest_distances(samples, patches), expected, atol=1e-7)


def test_scores_compare_with_the_nearest_other_patient_by_hand():
    patches = [np.array([[0.0]]), np.array([[1.0], [3.0]])]
    samples = np.array([[0.5], [10.0]])
    # Patient 0: sample at 0.5, other at 1. Patient 1: 0.5 against 1, 2.5 against 3.
    expected = [np.log(1 / 0.5), (np.log(1 / 0.5) + np.log(3 / 2.5)) / 2]
    np.testing.assert_allclose(
        nearest_sample_scores(patches, samples), expected, rtol=1e-5
    )


def test_the_patient_whose_patches_are_released_scores_highest():
    patches = [RNG.normal(size=(20, 4)) for _ in range(10)]
    scores = nearest_sample_scores(patches, patches[6] + 0.01)
    assert scores.argmax() == 6


@pytest.mark.parametrize(("number", "taken"), [(300, 3), (20, 1)])
def test_closest_percent_is_averaged(number, taken):
    scores = RNG.permutation(number).astype(float)[:, None]
    expected = np.arange(number)[-taken:].mean()
    assert closest_samples_scores(scores)[0] == expected


class Pixels:
    """An extractor that distinguishes flips, brightness and places."""

    name = "pixels as they are"
    dim = 256

    def __call__(self, images):
        return images.reshape(len(images), -1)


@pytest.fixture
def space_of(store, cohort, tmp_path):
    def make(samples, extractor=None, *, store=store, cohort=cohort):
        extractor = extractor or Pixels()
        folder = tmp_path / extractor.name
        return FeatureSpace(extractor, store, cohort, samples, folder)

    return make


def turn(patch, flip):
    return patch[:: -1 if flip in (1, 3) else 1, :: -1 if flip in (2, 3) else 1]


def test_windows_lie_half_a_stride_apart(store):
    windows = read_dense_windows(store, 0, 16)
    starts = range(0, SIDE - 32 + 1, 8)  # the store's stride is 16
    image = store.image(0).astype(float) / 255
    expected = [image[y : y + 32, x : x + 32] for y in starts for x in starts]
    expected = np.array(expected).reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(windows, expected, atol=1e-6)


@pytest.mark.parametrize("flip", range(4))
def test_flip_brightness_and_contrast_do_not_matter(store, cohort, space_of, flip):
    image = store.image(cohort.images[5]).astype(np.float32) / 255
    window = area_resize(image[8:40, 24:56], 16)  # between the store's patches
    sample = 0.6 * turn(window, flip) + 0.2
    scores = space_of(sample[None].astype(np.float32)).scores[0]
    others = np.delete(scores, 5)
    assert scores[5] > others.max() + 3  # a distance of e^3 = 20 times less


def test_texture_does_not_tell_flips_apart():
    patches = np.random.default_rng(0).random((5, 16, 16), np.float32)
    expected = Texture()(patches[..., None] * 2 - 1)
    for flip in range(4):
        turned = np.array([turn(patch, flip) for patch in patches])[..., None]
        np.testing.assert_allclose(Texture()(turned * 2 - 1), expected, atol=1e-6)


def test_only_what_tells_flips_apart_is_extracted_with_flips(space_of):
    store = SmallStore(num_training=1, num_test=1)
    few = {"store": store, "cohort": choose_cohort(store, "positive", seed=0)}
    samples = np.random.default_rng(0).random((3, 16, 16), np.float32)
    assert space_of(samples, **few).features.shape == (len(FLIPS), 3, 256)
    assert space_of(samples, Texture(), **few).features.shape == (1, 3, Texture.dim)


def test_levelled_patches_have_one_mean_and_deviation():
    patches = 0.1 * np.random.default_rng(0).random((6, 16, 16), np.float32) + 0.4
    patches[3] = 0.7 + 1e-4 * (patches[3] - 0.4)
    actual = level(patches)
    np.testing.assert_allclose(actual.mean(axis=(1, 2)), 0.5, atol=1e-5)
    textured = np.delete(actual, 3, axis=0)
    np.testing.assert_allclose(textured.std(axis=(1, 2)), 0.15, rtol=1e-3)
    assert actual[3].std() < 1e-3  # flat stays flat


def test_features_are_kept(store, space_of, tmp_path):
    samples = np.random.default_rng(0).random((3, 16, 16), np.float32)
    first = space_of(samples)
    (tmp_path / Pixels.name / "samples-rows" / "000000.npy").write_bytes(b"half a file")
    again = space_of(samples)
    np.testing.assert_array_equal(again.features, first.features)
    other = space_of(np.zeros_like(samples))  # would differ, were it extracted again
    np.testing.assert_array_equal(other.features, first.features)
