from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from gastritis_gan.evaluation.statistics import harmonic_mean_interval, wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials"), [(0, 1), (1, 1), (0, 30), (30, 30), (7, 10), (119, 140)]
)
def test_wilson_interval_is_scipys(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_wilson_interval_worked_by_hand():
    # z = 1.95996: (.5 + .192073) / 1.384146 -+ z sqrt(.025 + .0096036) / 1.384146
    assert wilson_interval(5, 10) == pytest.approx((0.23659, 0.76341), abs=5e-6)


def test_harmonic_mean_interval_of_one_image_per_patient_is_the_binomial_one():
    # Specificity is 1 in every resample, so HM = 2 s / (1 + s) is monotone in s, whose
    # bootstrap distribution is Binomial(40, 0.75) / 40; its 2.5 % quantiles: 24 and 35.
    labels = np.repeat([True, False], [40, 40])
    predictions = np.repeat([True, False, False], [30, 10, 40])
    low, high = harmonic_mean_interval(labels, predictions, np.arange(80), seed=0)
    step = 1 / 40  # of s; the resampled quantile may be one step off
    assert low == pytest.approx(2 * 0.6 / 1.6, abs=step)
    assert high == pytest.approx(2 * 0.875 / 1.875, abs=step)


def test_images_of_one_patient_are_resampled_together():
    labels = np.repeat([True, False], [40, 40])
    predictions = np.repeat([True, False, False], [30, 10, 40])
    two_images_each = np.arange(80) // 2
    single = harmonic_mean_interval(labels, predictions, np.arange(80), seed=0)
    paired = harmonic_mean_interval(labels, predictions, two_images_each, seed=0)
    assert paired[1] - paired[0] > 1.2 * (single[1] - single[0])  # expected: sqrt(2)


def test_harmonic_mean_interval_depends_on_the_seed_only():
    rng = np.random.default_rng(0)
    labels = np.arange(60) < 30
    predictions = rng.random(60) < 0.5
    first, again, other = (
        harmonic_mean_interval(labels, predictions, np.arange(60), seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
