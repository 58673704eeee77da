from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import recall_score, roc_auc_score

from gastritis_gan.stats import (
    auc,
    first_seen,
    harmonic_mean,
    mcnemar_p_value,
    patient_bootstrap,
    patient_resamples,
    percentile_interval,
    roc,
    sensitivity_and_specificity,
    wilson_interval,
)

LABELS = np.repeat([True, False], [40, 40])
CORRECT = np.repeat([True, False, True], [30, 10, 40])


def harmonic_mean_interval(labels, correct, patients, seed):
    return patient_bootstrap(
        lambda w: harmonic_mean(*sensitivity_and_specificity(correct, labels, w)),
        labels,
        patients,
        seed=seed,
    )


def test_one_image_per_patient_gives_the_binomial_interval():
    # Specificity is 1 in every resample, so HM = 2 s / (1 + s) is monotone in s, whose
    # bootstrap distribution is Binomial(40, 0.75) / 40.
    low, high = harmonic_mean_interval(LABELS, CORRECT, np.arange(80), 0)
    step = 1 / 40  # of s; the resampled quantile may be one step off
    for bound, tail in ((low, 0.025), (high, 0.975)):
        rate = binom.ppf(tail, 40, 0.75) / 40
        assert bound == pytest.approx(2 * rate / (1 + rate), abs=step)


def test_images_of_one_patient_are_resampled_together():
    single = harmonic_mean_interval(LABELS, CORRECT, np.arange(80), 0)
    paired = harmonic_mean_interval(LABELS, CORRECT, np.arange(80) // 2, 0)
    assert paired[1] - paired[0] > 1.2 * (single[1] - single[0])  # expected: sqrt(2)


def test_resamples_do_not_depend_on_what_the_patients_are_called():
    patients = np.array(["b", "b", "a", "c", "c", "d", "e"])
    renamed = np.array([{"a": "z", "b": "y", "c": "x"}.get(p, p) for p in patients])
    labels = np.array([True, False, True, False, False, False, False])
    np.testing.assert_array_equal(
        patient_resamples(labels, patients, seed=3),
        patient_resamples(labels, renamed, seed=3),
    )


def test_distinct_values_keep_the_order_of_their_first_appearance():
    names, position = first_seen(np.array(["c", "a", "c", "b", "a"]))
    assert names.tolist() == ["c", "a", "b"]
    assert position.tolist() == [0, 1, 0, 2, 1]


def test_every_resample_has_the_patients_of_each_class():
    patients = np.array(["b", "b", "a", "c", "c", "c", "d"])
    labels = np.array([True, False, True, False, False, False, False])
    weights = patient_resamples(labels, patients, seed=3)
    assert weights.shape == (2000, 7)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 0] + weights[:, 2], 2)  # a and b
    np.testing.assert_array_equal(weights[:, 3] + weights[:, 6], 2)  # c and d
    # Of two patients each is drawn 0, 1 or 2 times: 1/4, 1/2, 1/4.
    shares = np.bincount(weights[:, 2]) / 2000
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.04)


def test_resamples_depend_on_the_seed_only():
    first, again, other = (
        patient_resamples(LABELS, np.arange(80), seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_auc_interval_covers_as_often_as_it_says():
    # 100 draws of 30 + 30 patients from N(1, 1) and N(0, 1): the true AUC is
    # P(N(1, 2) > 0) = 0.760. The percentile bootstrap is known to be a little short.
    covered = 0
    labels = np.repeat([True, False], 30)
    for number in range(100):
        scores = np.random.default_rng(number).normal(size=60) + labels
        low, high = patient_bootstrap(
            lambda w, s=scores: auc(s, labels, w), labels, np.arange(60), seed=number
        )
        covered += low <= 0.760 <= high
    assert 87 <= covered <= 99


def test_the_difference_of_equal_rows_is_0():
    low, high = patient_bootstrap(
        lambda w: auc(CORRECT, LABELS, w) - auc(CORRECT, LABELS, w),
        LABELS,
        np.arange(80),
        seed=0,
    )
    assert (low, high) == (0, 0)


def test_an_undefined_resample_is_left_out():
    values = np.array([np.nan, *np.arange(101)])
    assert percentile_interval(values) == pytest.approx((2.5, 97.5))


@pytest.mark.parametrize("levels", [4, 1000])  # many ties, and few
def test_auc_is_scikit_learns(levels):
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.3
    scores = rng.integers(0, levels, 200) + labels * levels // 4
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))


def test_weights_count_an_item_several_times():
    rng = np.random.default_rng(1)
    labels, scores = rng.random(50) < 0.5, rng.integers(0, 9, 50)
    weights = rng.integers(0, 4, (3, 50))
    expected = [
        roc_auc_score(np.repeat(labels, row), np.repeat(scores, row)) for row in weights
    ]
    np.testing.assert_allclose(auc(scores, labels, weights), expected)
    assert auc(scores, labels, weights[0]) == pytest.approx(expected[0])


def test_worked_by_hand():
    # Pairs (0.9, 0.5) won, (0.9, 0.1) won, (0.5, 0.5) tied, (0.5, 0.1) won.
    assert auc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 0])) == 3.5 / 4


def test_a_resample_without_a_class_is_undefined():
    weights = np.array([[1, 1], [2, 0]])
    values = auc(np.array([2, 1]), np.array([True, False]), weights)
    assert values[0] == 1
    assert np.isnan(values[1])


def test_rates_are_the_recalls_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predictions = rng.random((2, 80)) < 0.4
    weights = rng.integers(0, 3, (2, 80))
    actual = sensitivity_and_specificity(labels == predictions, labels)
    expected = [recall_score(labels, predictions, pos_label=c) for c in (1, 0)]
    assert actual == pytest.approx(expected)
    resampled = sensitivity_and_specificity(labels == predictions, labels, weights)
    for name, values in zip((1, 0), resampled, strict=True):
        np.testing.assert_allclose(
            values,
            [
                recall_score(labels, predictions, pos_label=name, sample_weight=row)
                for row in weights
            ],
        )


def test_the_rate_of_a_class_that_a_resample_lacks_is_undefined():
    labels = np.array([True, False])
    sensitivity, specificity = sensitivity_and_specificity(
        labels, labels, np.array([[0, 2]])
    )
    assert np.isnan(sensitivity[0])
    assert specificity[0] == 0


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 10), (119, 140)]
)
def test_wilsons_bounds_are_where_the_score_test_rejects(successes, trials):
    # (rate - p)^2 = z^2 p (1 - p) / n, with z = 1.959964
    rate, z2 = successes / trials, 1.9599639845**2 / trials
    expected = sorted(np.roots([1 + z2, -2 * rate - z2, rate**2]).real)
    assert wilson_interval(successes, trials) == pytest.approx(expected, abs=1e-9)


def test_wilson_interval_worked_by_hand():
    # z = 1.95996: (.5 + .192073) / 1.384146 -+ z sqrt(.025 + .0096036) / 1.384146
    assert wilson_interval(5, 10) == pytest.approx((0.23659, 0.76341), abs=5e-6)


def outcomes(both, only_first, only_second, neither):
    counts = [both, only_first, only_second, neither]
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
    )


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [  # statsmodels 0.15: mcnemar([[30, b], [c, 5]], exact=True).pvalue
        (10, 2, 0.03857421875),
        (1, 6, 0.125),
        (7, 7, 1.0),
        (0, 5, 0.0625),
    ],
)
def test_p_value_is_that_of_statsmodels(only_first, only_second, expected):
    first, second = outcomes(30, only_first, only_second, 5)
    assert mcnemar_p_value(first, second) == pytest.approx(expected)


def test_equal_classifiers_do_not_differ():
    assert mcnemar_p_value(*outcomes(4, 0, 0, 3)) == 1


def test_roc_has_a_point_for_every_threshold():
    # From the highest score down: positive, negative, then one of each at once.
    scores, labels = np.array([4, 3, 1, 1]), np.array([True, False, True, False])
    false_rate, true_rate = roc(scores, labels)
    assert false_rate.tolist() == [0, 0, 0.5, 1]
    assert true_rate.tolist() == [0, 0.5, 0.5, 1]
