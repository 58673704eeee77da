import math

import numpy as np
import pytest
from scipy import stats

from gastritis_gan.privacy.copies import PLAIN
from gastritis_gan.privacy.decision import decide_memorisation
from gastritis_gan.privacy.exposure import (
    compare_close_matches,
    examine_space,
    find_exposed,
    fisher_transform,
    joint_copy_rate_bound,
    patients_needed,
    stand_out,
    stand_out_in_a_part,
    stand_out_in_all_parts,
    standardize_rows,
    yardstick_factor,
)


def test_fisher_transform_is_artanh_and_stays_finite():
    correlation = np.array([-0.5, 0.0, 0.9, 1.0])
    actual = fisher_transform(correlation)
    np.testing.assert_allclose(actual[:3], np.arctanh(correlation[:3]))
    assert np.isfinite(actual[3])
    assert actual[3] > np.arctanh(0.999)


def test_rows_of_normal_scores_get_median_0_and_standard_deviation_1():
    rng = np.random.default_rng(0)
    scores = rng.normal(rng.normal(size=(300, 1)) * 5, 3, size=(300, 101))
    actual = standardize_rows(scores)
    np.testing.assert_allclose(np.median(actual, axis=1), 0, atol=1e-12)
    assert abs(actual.std() - 1) < 0.05


@pytest.mark.parametrize("function", [standardize_rows, stand_out])
def test_relabelling_patients_relabels_the_result(function):
    rng = np.random.default_rng(1)
    scores, order = rng.gumbel(size=(20, 9)), rng.permutation(9)
    np.testing.assert_allclose(function(scores[:, order]), function(scores)[:, order])


def test_standing_out_is_over_the_second_best_of_the_others_by_hand():
    # Median 3, absolute differences 5, 2, 0, 1, 2: their median is 2.
    scores = np.array([[8.0, 5.0, 3.0, 2.0, 1.0]])
    spread = 2 / stats.norm.ppf(0.75)  # half of all normal data lie so near
    expected = np.array([[8 - 3, 5 - 3, 3 - 5, 2 - 5, 1 - 5]]) / spread
    np.testing.assert_allclose(stand_out(scores), expected, rtol=1e-6)


def test_a_patient_under_two_numbers_stands_out_and_three_alike_do_not():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(200, 12))
    scores[0, [3, 7]] = 20
    scores[1, [2, 5, 9]] = 20
    found = stand_out(scores)
    assert found[0, [3, 7]].min() > 15
    assert found[1].max() == 0


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
    held_out = np.array([3.0, 4.0, 5.0])  # mean 4, standard deviation 1
    needed = patients_needed(held_out, 11, alpha=0.05)
    assert yardstick_factor(needed, needed, 0.05) < 7
    assert yardstick_factor(needed - 1, needed - 1, 0.05) > 7
    assert patients_needed(held_out, 4.5, alpha=0.05) is None


IS_TRAINING = np.arange(40) < 20


def space(name, planted_score):
    """One training patient stands out; planted copies score as given."""
    scores = np.random.default_rng(0).normal(size=(200, 40))
    scores[17, 3] = 15
    planted = {PLAIN.kind: np.full(20, planted_score)}
    return examine_space(
        name, scores, planted, IS_TRAINING, alpha=0.01, min_power=0.8, seed=0
    )


def decide(*spaces):
    (decision,) = decide_memorisation(spaces, min_power=0.8, max_copy_rate=0.05)
    return decision.test, decision.verdict


def test_a_space_that_notices_copies_fails():
    assert decide(space("pixels", 30.0)) == ("memorisation, pixels", "fail")


def test_a_space_that_overlooks_copies_cannot_fail():
    blind = space("texture", 0.0)
    assert blind.exposure.exposed.sum() == 1
    assert not blind.decides
    assert decide(blind)[1] == "undecided"  # nothing was noticed at all
    seeing = space("pixels", 30.0)
    assert decide(seeing, blind) == ("memorisation, pixels", "fail")


@pytest.mark.parametrize("noticed", [1, 2])
def test_a_tenth_of_the_copies_is_enough_to_decide(noticed):
    scores = np.random.default_rng(0).normal(size=(200, 40))
    planted = {PLAIN.kind: np.where(np.arange(20) < noticed, 30.0, 0.0)}
    found = examine_space(
        "pixels", scores, planted, IS_TRAINING, alpha=0.01, min_power=0.8, seed=0
    )
    assert found.decides == (noticed == 2)


def test_kinds_that_are_overlooked_are_named_with_their_share():
    scores = np.random.default_rng(0).normal(size=(200, 40))
    planted = {
        PLAIN.kind: np.full(20, 30.0),
        "turned": np.where(np.arange(20) < 15, 30.0, 0.0),
        "bent": np.where(np.arange(20) < 18, 30.0, 0.0),
    }
    found = examine_space(
        "pixels", scores, planted, IS_TRAINING, alpha=0.01, min_power=0.8, seed=0
    )
    (decision,) = decide_memorisation([found], min_power=0.8, max_copy_rate=0.05)
    assert decision.verdict == "pass"
    assert decision.reason.endswith(
        "Of copies of these kinds less than 80% were noticed, so they are not "
        "excluded: turned (75%)."
    )
    # 1 - 0.05^(1 / 200), Clopper and Pearson's bound without a copy, over the power
    expected = 0.01487 / 0.75
    assert joint_copy_rate_bound([found], "turned") == pytest.approx(expected, rel=1e-3)


def close_p_value(scores, seed=0):
    space = examine_space(
        "pixels", scores, {PLAIN.kind: np.zeros(20)}, IS_TRAINING, alpha=0.01,
        min_power=0.8, seed=0,
    )  # fmt: skip
    return compare_close_matches([space], seed=seed).p_value


def test_close_matches_of_exchangeable_patients_are_as_often_significant_as_stated():
    p_values = [
        close_p_value(np.random.default_rng(seed).gumbel(size=(200, 40)))
        for seed in range(60)
    ]
    assert 0.3 < np.mean(p_values) < 0.7  # standard error 0.04
    assert np.mean(np.array(p_values) < 0.2) == pytest.approx(0.2, abs=0.16)


def test_closer_training_patients_are_found_though_nobody_is_exposed():
    scores = np.random.default_rng(3).gumbel(size=(400, 40))
    scores[:, IS_TRAINING] += 1.0
    found = examine_space(
        "pixels", scores, {PLAIN.kind: np.zeros(20)}, IS_TRAINING, alpha=0.01,
        min_power=0.8, seed=0,
    )  # fmt: skip
    assert not found.exposure.exposed.any()
    close = compare_close_matches([found, found], seed=0)
    assert close.p_value < 0.005
    assert close.training > 0.6


def test_parts_that_agree_stand_out_together_and_one_part_alone():
    rng = np.random.default_rng(4)
    parts = [rng.normal(size=(50, 30)) for _ in range(9)]
    for part in parts:
        part[7, 3] += 2.5  # each of them a little
    parts[4][9, 5] = 12  # one of them far
    together, alone = stand_out_in_all_parts(parts), stand_out_in_a_part(parts)
    assert together[7].argmax() == 3
    assert together[7, 3] > np.delete(together.max(axis=1), 7).max() + 3
    assert alone.max() == alone[9, 5] > 8
    assert alone[7, 3] < alone[9, 5] / 2
