import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from gastritis_gan.privacy.membership import (
    certain_p_value,
    measure_control,
    measure_linkage,
    measure_membership,
    membership_patients_needed,
    true_positive_rates,
)

PATIENT_OF_IMAGE = np.array([0, 0, 1, 1, 2])


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return rng.normal(0.8, 1, 40).round(1), rng.normal(0, 1, 50).round(1)  # with ties


def test_auc_is_scikit_learns(scores):
    labels = np.repeat([1, 0], [40, 50])
    expected = roc_auc_score(labels, np.concatenate(scores))
    assert measure_membership(*scores, seed=0).auc.value == pytest.approx(expected)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_tpr_is_scikit_learns_also_where_patients_count_several_times(scores, rate):
    is_training = np.repeat([True, False], [40, 50])
    scores = np.concatenate(scores)
    weights = np.ones((2, 90), int)
    weights[1, [0, 3, 45, 60]] = 3  # two more of each, and eight fewer
    weights[1, [1, 2, 4, 5, 46, 47, 61, 62]] = 0
    for row, actual in zip(
        weights, true_positive_rates(scores, is_training, rate, weights), strict=True
    ):
        fpr, tpr, _ = roc_curve(
            is_training.repeat(row), scores.repeat(row), drop_intermediate=False
        )
        assert actual == pytest.approx(tpr[fpr <= rate + 1e-9].max())


def test_the_reported_tpr_counts_every_patient_once(scores):
    fpr, tpr, _ = roc_curve(
        np.repeat([1, 0], [40, 50]), np.concatenate(scores), drop_intermediate=False
    )
    found = measure_membership(*scores, seed=0)
    assert found.tpr[1].value == pytest.approx(tpr[fpr <= 0.1 + 1e-9].max())
    assert found.tpr[1].low <= found.tpr[1].value <= found.tpr[1].high


@pytest.mark.parametrize(("held_out", "rate"), [(20, 1 / 20), (100, 0.01), (300, 0.01)])
def test_certain_are_those_above_what_the_held_out_resolve(held_out, rate):
    rng = np.random.default_rng(5)
    scores = rng.normal(1, 1, 60), rng.normal(0, 1, held_out)
    found = measure_membership(*scores, seed=0)
    assert found.certain_fpr == rate
    fpr, tpr, _ = roc_curve(
        np.repeat([1, 0], [60, held_out]),
        np.concatenate(scores),
        drop_intermediate=False,
    )
    assert found.certain.value == pytest.approx(tpr[fpr <= rate + 1e-9].max())


@pytest.mark.parametrize("allowed", [0, 1])
def test_certainty_by_chance_is_counted_over_all_orders(allowed):
    """Every way to place 4 held-out among 9 patients is equally likely."""
    recognised = []
    for places in itertools.combinations(range(9), 4):
        is_training = np.isin(np.arange(9), places, invert=True)
        recognised.append(is_training[: places[allowed]].sum())
    for number in range(6):
        expected = np.mean(np.array(recognised) >= number)
        actual = certain_p_value(number, 5, 4, allowed=allowed)
        assert actual == pytest.approx(expected)


def test_an_attack_that_is_certain_of_a_tenth_is_significant():
    rng = np.random.default_rng(8)
    training, held_out = rng.normal(size=100), rng.normal(size=100)
    training[:10] += 10
    found = measure_membership(training, held_out, seed=0)
    assert found.certain.value >= 0.1
    assert found.certain_p_value < 0.01
    assert found.auc.value < 0.64  # the average hides them


def test_a_rate_below_one_held_out_patient_admits_none():
    scores = measure_membership(np.array([1.0, 5, 7]), np.array([2.0, 6]), seed=0)
    assert scores.tpr[0].value == pytest.approx(1 / 3)  # at 1 % FPR


def test_interval_agrees_with_the_asymptotic_one(scores):
    found = measure_membership(*scores, seed=0)
    error = math.sqrt(
        found.auc.value * (1 - found.auc.value) * (1 / 40 + 1 / 50) / 3 * 1.5
    )  # between Hanley and McNeil's bounds for these sizes
    assert found.auc.high - found.auc.low == pytest.approx(2 * 1.96 * error, rel=0.3)
    assert found.auc.low < found.auc.value < found.auc.high
    error = math.sqrt(91 / 12 / 40 / 50)  # at chance
    assert found.auc_bound == pytest.approx(found.auc.value + 1.645 * error, abs=1e-4)


def test_scores_below_chance_do_not_make_a_bound_below_it():
    found = measure_membership(np.arange(4.0), np.arange(4.0) + 2, seed=0)
    assert found.auc.value < 0.2
    assert found.auc_bound == pytest.approx(
        0.5 + 1.645 * math.sqrt(9 / 12 / 16), abs=1e-3
    )


def test_p_value_is_mann_whitneys(scores):
    expected = stats.mannwhitneyu(*scores, alternative="greater").pvalue
    assert measure_membership(*scores, seed=0).p_value == expected


def test_control_is_at_chance():
    rng = np.random.default_rng(3)
    aucs = [measure_control(rng.normal(size=40), seed=i).auc.value for i in range(20)]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.07)


def test_control_needs_two_patients_a_side():
    assert measure_control(np.arange(3.0), seed=0) is None


def test_needed_patients_have_the_stated_power():
    """By simulation: the bound stays below the limit in about 80 % of the cases."""
    number = membership_patients_needed(0.7)
    assert number == 26  # (1.645 + 0.842)^2 / 0.2^2 / 6 = 25.8
    error = math.sqrt((2 * number + 1) / 12) / number  # exact, of the AUC at chance
    assert stats.norm.cdf((0.2 - 1.645 * error) / error) == pytest.approx(0.8, abs=0.02)


def test_linkage_by_hand():
    scores = np.array(
        [
            [9, 5, 1, 1, 1],  # best: patient 0; next best: patient 0
            [9, 1, 5, 1, 1],  # next best: patient 1
            [1, 1, 7, 8, 1],  # patient 1, again
            [1, 2, 3, 4, 9],  # patient 2 has one image
        ]
    )
    linkage = measure_linkage(scores, PATIENT_OF_IMAGE, seed=0)
    assert linkage.num_patients == 2
    assert linkage.num_samples == 3
    assert linkage.rate.value == pytest.approx(2 / 3)
    assert linkage.chance == pytest.approx(1 / 4)  # one of the four other images


def test_random_scores_link_at_chance():
    scores = np.random.default_rng(0).normal(size=(2000, 40))
    linkage = measure_linkage(scores, np.arange(40) // 2, seed=0)
    # 2,000 tries at 1 / 39: a standard error of 0.0035.
    assert linkage.chance == pytest.approx(1 / 39)
    assert linkage.rate.value == pytest.approx(1 / 39, abs=0.011)


def test_without_second_images_there_is_nothing_to_link():
    assert measure_linkage(np.eye(3), np.arange(3), seed=0) is None
