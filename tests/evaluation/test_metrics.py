from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.evaluation.metrics import (
    Decisions,
    difference,
    mcnemar,
    mean_over_runs,
    retention,
)
from gastritis_gan.evaluation.summary import worth_in_patients

LABELS = np.repeat([True, False], [40, 60])


def decisions(num_true_positives, num_true_negatives, patients=None):
    correct = np.r_[
        np.arange(40) < num_true_positives, np.arange(60) < num_true_negatives
    ]
    predictions = correct == LABELS
    return Decisions(
        labels=LABELS,
        patients=np.arange(100) if patients is None else patients,
        predictions=predictions,
        scores=predictions.astype(float),
        ties=np.zeros(100, bool),
    )


def test_difference_is_paired():
    # They differ on ten positive patients of 40; all else is right in both.
    better, worse = decisions(40, 60), decisions(30, 60)
    found = difference([better], [worse], seed=0)
    assert found["harmonic_mean_difference"] == pytest.approx(1 - 1.5 / 1.75)
    low, high = found["harmonic_mean_difference_interval"]
    # The number of wrong patients in a resample is Binomial(40, 0.25): 5 to 15.
    assert low == pytest.approx(1 - 2 * (35 / 40) / (1 + 35 / 40), abs=0.015)
    assert high == pytest.approx(1 - 2 * (25 / 40) / (1 + 25 / 40), abs=0.02)
    # AUC of predictions is the mean of Sen and Spe.
    assert found["auc_difference"] == pytest.approx(0.125)


def test_retention_of_half_the_harmonic_mean():
    # Sen 0.25, Spe 1: 0.4, against 0.8 (Sen 2/3 would not be whole: 0.7, 0.9333).
    row, real = decisions(10, 60), decisions(28, 56)
    expected = 0.4 / (2 * 0.7 * (56 / 60) / (0.7 + 56 / 60))
    found = retention([row], [real], seed=0)
    assert found["retention"] == pytest.approx(expected)
    low, high = found["retention_interval"]
    assert low < expected < high < 1


def test_retention_is_undefined_where_real_data_fails():
    assert retention([decisions(4, 4)], [decisions(0, 60)], seed=0) == {
        "retention": None,
        "retention_interval": None,
    }


def test_several_runs_widen_the_interval():
    runs = [decisions(40, 60), decisions(30, 60), decisions(20, 60)]
    found = mean_over_runs(runs, [decisions(30, 60)], seed=0)
    values = [1, 1.5 / 1.75, 1 / 1.5]
    assert found["num_runs"] == 3
    assert found["harmonic_mean"] == pytest.approx(np.mean(values))
    assert found["standard_deviation"] == pytest.approx(np.std(values, ddof=1))
    assert (found["lowest"], found["highest"]) == pytest.approx((min(values), 1))
    low, high = found["harmonic_mean_interval"]
    # All three draws hit the best run, or the worst, in 1 of 27 cases: 3.7 %.
    assert low < values[2] + 0.06
    assert high > 0.95
    same = mean_over_runs([runs[1], runs[1]], [runs[1]], seed=0)
    single = same["harmonic_mean_interval"]
    assert high - low > single[1] - single[0]
    assert same["retention"] == 1
    assert same["retention_interval"] == (1, 1)  # of any patients
    # Sen 40, 30 and 20 of 40 positives, Spe 60 of 60 in every run.
    assert found["sensitivity"] == pytest.approx(0.75)
    assert found["specificity"] == 1
    assert found["specificity_interval"] == (1, 1)
    assert found["retention"] == pytest.approx(np.mean(values) / values[1])
    low, high = found["retention_interval"]
    assert low < 1 < high


def test_mcnemar_counts_patients():
    found = mcnemar(decisions(40, 55), decisions(30, 60))
    assert found["only_first_right"] == 10
    assert found["only_second_right"] == 5
    assert found["num_patients"] == 100
    assert found["mcnemar_p"] == pytest.approx(0.3017578125)  # 2 P(Bin(15, .5) <= 5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, {"more_than": 0, "at_most": 2}),
        (0.6, {"more_than": 2, "at_most": 20}),
        (0.75, {"more_than": 2, "at_most": 20}),
        (0.8, {"more_than": 20, "at_most": 200}),
        (0.95, {"more_than": 200, "at_most": None}),
    ],
)
def test_worth_in_patients(value, expected):
    curve = [(2, 0.6), (20, 0.8), (200, 0.9)]
    assert worth_in_patients(curve, value) == expected
