import numpy as np
import pytest
from scipy import stats

from gastritis_gan.privacy.copies import (
    copy_rate_bound,
    excess_rate,
    plant_copies,
    samples_needed,
)
from tests.helpers.small_store import RESOLUTION


@pytest.fixture(scope="module")
def planted(store, cohort):
    return plant_copies(store, cohort, number=200, resolution=RESOLUTION, seed=0)


def test_copies_come_from_training_patients_only(planted, cohort):
    assert planted.patches.shape == (200, 16, 16)
    assert planted.patches.dtype == np.uint8
    assert cohort.is_training[planted.patient].all()
    assert len(set(planted.patient)) > 20  # of 24


def test_each_is_a_disguised_window_of_its_patient(planted, store, cohort):
    """Every window of the image, every turn, by brute force: 20 dB leave 0.995."""
    for patch, patient in list(zip(planted.patches, planted.patient, strict=True))[:6]:
        image = store.image(cohort.images[patient]).astype(float)
        windows = np.lib.stride_tricks.sliding_window_view(image, (32, 32))
        small = windows.reshape(*windows.shape[:2], 16, 2, 16, 2).mean(axis=(3, 5))
        small = small.reshape(-1, 256)
        small -= small.mean(axis=1, keepdims=True)
        small /= np.linalg.norm(small, axis=1, keepdims=True)
        best = 0.0
        for turned in (patch, patch[::-1], patch[:, ::-1], patch[::-1, ::-1]):
            flat = turned.ravel() - turned.mean()
            best = max(best, (small @ flat / np.linalg.norm(flat)).max())
        assert best == pytest.approx(0.995, abs=0.004)


def test_the_same_seed_plants_the_same(planted, store, cohort):
    again = plant_copies(store, cohort, number=200, resolution=RESOLUTION, seed=0)
    np.testing.assert_array_equal(again.patches, planted.patches)


@pytest.mark.parametrize(("copies", "samples"), [(0, 1000), (3, 500), (10, 10)])
def test_bound_is_scipys_exact_one(copies, samples):
    expected = (
        stats.binomtest(copies, samples, alternative="less")
        .proportion_ci(0.95, method="exact")
        .high
    )
    assert copy_rate_bound(copies, samples, 1.0) == pytest.approx(expected)


def test_bound_grows_where_copies_are_overlooked():
    assert copy_rate_bound(0, 3000, 0.5) == pytest.approx(
        2 * copy_rate_bound(0, 3000, 1.0)
    )
    assert copy_rate_bound(0, 3000, 0.0) == 1


@pytest.mark.parametrize(("rate", "power"), [(0.001, 0.8), (0.01, 1.0)])
def test_samples_needed_are_just_enough(rate, power):
    needed = samples_needed(rate, power)
    assert copy_rate_bound(0, needed, power) <= rate * 1.001
    assert copy_rate_bound(0, needed - 2, power) > rate


def test_excess_is_the_difference_of_the_groups():
    scores = np.zeros((100, 6))
    scores[:4, 0] = scores[10:12, 1] = scores[20, 4] = 9
    is_training = np.array([True, True, True, False, False, False])
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert rate.training == pytest.approx(0.06)
    assert rate.held_out == pytest.approx(0.01)
    assert rate.excess == pytest.approx(0.05)
    assert rate.low < 0.05 < rate.high


def test_a_smaller_control_group_is_scaled_up():
    scores = np.zeros((100, 6))
    scores[0, 5] = 9
    is_training = np.arange(6) < 4
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert rate.held_out == pytest.approx(0.02)


def test_a_sample_counts_once_for_the_patient_it_matches_best():
    scores = np.zeros((100, 6))
    scores[:, 0], scores[:, 1], scores[:, 4] = 9, 8, 7
    scores[50:, 4] = 10
    is_training = np.array([True, True, True, False, False, False])
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert (rate.training, rate.held_out, rate.excess) == (0.5, 0.5, 0)
    assert -1 <= rate.low <= 0 <= rate.high <= 1


@pytest.mark.parametrize("of_training", [True, False])
def test_the_rate_lies_within_its_interval_when_every_sample_matches(of_training):
    is_training = np.arange(6) < 4
    scores = np.zeros((100, 6))
    scores[np.arange(100), np.where(of_training, np.arange(100) % 4, 5)] = 9
    rate = excess_rate(scores, is_training, threshold=5, seed=0)
    assert rate.excess == (1 if of_training else -2)  # 4 patients for 2
    assert rate.low <= rate.excess <= rate.high


def test_interval_covers_patients_not_samples():
    """One patient with all the copies: resampling patients leaves it out often."""
    scores = np.zeros((1000, 40))
    scores[:100, 0] = 9
    rate = excess_rate(scores, np.arange(40) < 20, threshold=5, seed=0)
    assert rate.low == 0
    assert rate.high == pytest.approx(0.3, abs=0.1)
