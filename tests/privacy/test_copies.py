import numpy as np
import pytest
from scipy import stats

from gastritis_gan.privacy.copies import copy_rate_bound, excess_rate, samples_needed


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
