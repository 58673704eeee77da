from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.evaluation.metrics import Confusion, harmonic_mean, majority_vote

# Training data, Sen, Spe, HM as printed in Tables 1-3 of the paper.
PRINTED = [
    (0.779, 0.747, 0.763),
    (0.850, 0.716, 0.777),
    (0.807, 0.705, 0.753),
    (0.571, 0.619, 0.594),
    (0.879, 0.880, 0.879),
    (0.771, 0.912, 0.836),
    (0.807, 0.720, 0.761),
    (0.843, 0.806, 0.824),
    (0.650, 0.651, 0.650),
    (0.943, 0.855, 0.897),
    (0.743, 0.851, 0.793),
    (0.807, 0.749, 0.777),
    (0.636, 0.796, 0.707),
    (0.643, 0.749, 0.692),
    (0.821, 0.916, 0.866),
]
NUM_POSITIVE, NUM_NEGATIVE = 140, 475  # the paper's test images


@pytest.mark.parametrize(("sensitivity", "specificity", "printed"), PRINTED)
def test_the_papers_harmonic_means_recompute_from_its_counts(
    sensitivity, specificity, printed
):
    true_positives = round(sensitivity * NUM_POSITIVE)
    true_negatives = round(specificity * NUM_NEGATIVE)
    confusion = Confusion(
        true_positives=true_positives,
        false_negatives=NUM_POSITIVE - true_positives,
        true_negatives=true_negatives,
        false_positives=NUM_NEGATIVE - true_negatives,
    )
    assert confusion.sensitivity == pytest.approx(sensitivity, abs=0.0005001)
    assert confusion.specificity == pytest.approx(specificity, abs=0.0005001)
    # Sen and Spe are whole images over 140 and 475, so HM has unrounded inputs.
    assert confusion.harmonic_mean == pytest.approx(printed, abs=0.0010)
    assert float(harmonic_mean(sensitivity, specificity)) == pytest.approx(
        printed, abs=0.0010
    )


def test_figures_worked_by_hand():
    labels = np.array([True, True, True, True, False, False])
    predictions = np.array([True, True, True, False, False, True])
    confusion = Confusion.of(labels, predictions)
    assert confusion == Confusion(
        true_positives=3, false_negatives=1, true_negatives=1, false_positives=1
    )
    assert confusion.sensitivity == 0.75
    assert confusion.specificity == 0.5
    assert confusion.harmonic_mean == pytest.approx(0.6)  # 2 * .75 * .5 / 1.25


def test_harmonic_mean_of_two_zeros_is_zero():
    assert harmonic_mean(0.0, 0.0) == 0.0


@pytest.mark.parametrize(
    ("positive_votes", "num_patches", "positive", "tie"),
    [
        (0, 1, False, False),
        (1, 1, True, False),
        (1, 2, True, True),
        (1, 3, False, False),
        (2, 3, True, False),
        (612, 1225, False, False),
        (613, 1225, True, False),
    ],
)
def test_majority_vote_by_hand(positive_votes, num_patches, positive, tie):
    predictions, ties = majority_vote(
        np.array([positive_votes]), np.array([num_patches])
    )
    assert (predictions[0], ties[0]) == (positive, tie)


@pytest.mark.parametrize(("positive_votes", "num_patches"), [(0, 0), (3, 2)])
def test_impossible_votes_are_refused(positive_votes, num_patches):
    with pytest.raises(ValueError, match=r"Received: "):
        majority_vote(np.array([positive_votes]), np.array([num_patches]))
