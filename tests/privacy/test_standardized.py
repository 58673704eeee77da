import numpy as np
import pytest

from gastritis_gan.privacy.exposure import fisher_transform, stand_out, standardize_rows


def test_fisher_transform_is_artanh_and_stays_finite():
    correlation = np.array([-0.5, 0.0, 0.9, 1.0])
    actual = fisher_transform(correlation)
    np.testing.assert_allclose(actual[:3], np.arctanh(correlation[:3]))
    assert np.isfinite(actual[3])
    assert actual[3] > np.arctanh(0.999)


def test_rows_of_normal_scores_get_median_0_and_deviation_1():
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
    deviation = 1.4826 * 2
    expected = np.array([[8 - 3, 5 - 3, 3 - 5, 2 - 5, 1 - 5]]) / deviation
    np.testing.assert_allclose(stand_out(scores), expected, rtol=1e-6)


def test_a_patient_under_two_numbers_stands_out_and_three_alike_do_not():
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(200, 12))
    scores[0, [3, 7]] = 20
    scores[1, [2, 5, 9]] = 20
    found = stand_out(scores)
    assert found[0, [3, 7]].min() > 15
    assert found[1].max() == 0
