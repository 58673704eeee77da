import numpy as np
import pytest
from scipy.spatial.distance import cdist

from gastritis_gan.privacy.feature_space import nearest_distances
from gastritis_gan.privacy.membership import (
    closest_samples_scores,
    nearest_sample_scores,
)

RNG = np.random.default_rng(0)


def test_nearest_distance_is_scipys():
    samples, patches = RNG.normal(size=(700, 5)), RNG.normal(size=(40, 5))
    expected = cdist(samples, patches).min(axis=1)
    np.testing.assert_allclose(nearest_distances(samples, patches), expected, atol=1e-7)


def test_without_patches_everything_is_infinitely_far():
    assert np.isinf(nearest_distances(np.zeros((2, 3)), np.zeros((0, 3)))).all()


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
