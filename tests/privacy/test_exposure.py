import math

import numpy as np
import pytest
from scipy import stats

from gastritis_gan.privacy.exposure import (
    find_exposed,
    patients_needed,
    yardstick_factor,
)

MAXIMA = stats.genextreme(-0.1)  # SciPy's sign of the shape is the other one


def maxima(number, seed):
    """One sample whose scores are maxima already."""
    return MAXIMA.rvs(size=(1, number), random_state=seed)


def test_with_many_held_out_patients_the_factor_is_the_quantile_of_the_maximum():
    # The maximum of 50 stays below x with probability F(x)^50.
    expected = (MAXIMA.ppf(0.99 ** (1 / 50)) - MAXIMA.mean()) / MAXIMA.std()
    assert yardstick_factor(2000, 50, 0.01) == pytest.approx(expected, rel=0.05)


def test_few_held_out_patients_make_a_longer_yardstick():
    factors = [yardstick_factor(number, 20, 0.05) for number in (4, 10, 40)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("num_held_out", [5, 30])
def test_false_alarms_come_at_the_stated_rate(num_held_out):
    is_training = np.arange(20 + num_held_out) < 20
    alarms = sum(
        find_exposed(
            maxima(len(is_training), seed), is_training, alpha=0.1
        ).exposed.any()
        for seed in range(2000)
    )
    assert 0.08 < alarms / 2000 < 0.12  # three standard errors of 0.0067


def test_one_patient_far_out_is_the_one_that_is_exposed():
    is_training = np.arange(40) < 20
    scores = np.random.default_rng(0).normal(size=(200, 40))
    scores[17, 3] = 15
    found = find_exposed(scores, is_training, alpha=0.01)
    np.testing.assert_array_equal(np.flatnonzero(found.exposed), [3])
    assert found.exposure[3] == 15


def test_a_held_out_patient_is_never_exposed():
    is_training = np.arange(40) < 20
    scores = np.random.default_rng(0).normal(size=(200, 40))
    scores[17, 30] = 15
    assert not find_exposed(scores, is_training, alpha=0.01).exposed.any()


def test_two_held_out_patients_are_no_yardstick():
    is_training = np.array([True, True, False, False])
    found = find_exposed(np.eye(4) * 100, is_training, alpha=0.05)
    assert math.isinf(found.threshold)
    assert not found.exposed.any()


def test_number_of_patients_needed_is_where_the_threshold_falls_below_a_copy():
    held_out = np.array([3.0, 4.0, 5.0])  # mean 4, deviation 1
    needed = patients_needed(held_out, 11, alpha=0.05)
    assert yardstick_factor(needed, needed, 0.05) < 7
    assert yardstick_factor(needed - 1, needed - 1, 0.05) > 7
    assert patients_needed(held_out, 4.5, alpha=0.05) is None
