from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

from gastritis_gan.evaluation import gan_train
from gastritis_gan.evaluation.gan_train import (
    Classifier,
    Votes,
    compute_votes,
    gan_test,
)
from gastritis_gan.evaluation.metrics import decide, decide_patients, metrics
from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.evaluation.summary import Summarizer
from gastritis_gan.stats import harmonic_mean
from tests.helpers.toy_patches import draw_patches, make_images, make_set, read_pixels

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


def votes_of(positive, total, score_sum=None):
    return Votes(
        positive=np.array(positive),
        total=np.array(total),
        score_sum=np.zeros(len(total)) if score_sum is None else np.array(score_sum),
    )


@pytest.mark.parametrize(("sensitivity", "specificity", "printed"), PRINTED)
def test_the_papers_harmonic_means_recompute_from_its_counts(
    sensitivity, specificity, printed
):
    labels = np.repeat([True, False], [NUM_POSITIVE, NUM_NEGATIVE])
    right = np.repeat(
        [True, False, True, False],
        [
            round(sensitivity * NUM_POSITIVE),
            NUM_POSITIVE - round(sensitivity * NUM_POSITIVE),
            round(specificity * NUM_NEGATIVE),
            NUM_NEGATIVE - round(specificity * NUM_NEGATIVE),
        ],
    )
    votes = votes_of((labels == right).astype(int), np.ones(len(labels), int))
    decisions = decide(votes, labels, np.arange(len(labels)), rule="majority")
    found = metrics(decisions, seed=0)
    assert found["sensitivity"] == pytest.approx(sensitivity, abs=0.0005001)
    assert found["specificity"] == pytest.approx(specificity, abs=0.0005001)
    # Sen and Spe are whole images over 140 and 475, so HM has unrounded inputs.
    assert found["harmonic_mean"] == pytest.approx(printed, abs=0.0010)
    assert float(harmonic_mean(sensitivity, specificity)) == pytest.approx(
        printed, abs=0.0010
    )
    assert found["harmonic_mean_interval"][0] < printed
    assert found["harmonic_mean_interval"][1] > printed


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
    decisions = decide(
        votes_of([positive_votes], [num_patches]),
        np.array([True]),
        np.array([0]),
        rule="majority",
    )
    assert (decisions.predictions[0], decisions.ties[0]) == (positive, tie)


def test_metrics_worked_by_hand():
    # 4, 3 and the tie 2 are positive; the negative image with 2 of 4 is wrong.
    votes = votes_of([4, 3, 2, 1, 2, 0], [4] * 6, [3.0, 2.0, -1.0, -0.5, -4.0, -9.0])
    labels, patients = np.arange(6) < 4, np.arange(6)
    found = metrics(decide(votes, labels, patients, rule="majority"), seed=0)
    assert found["true_positives"] == 3
    assert found["false_negatives"] == 1
    assert found["false_positives"] == 1
    assert found["true_negatives"] == 1
    assert found["ties"] == 2
    assert found["sensitivity"] == 0.75
    assert found["specificity"] == 0.5
    assert found["harmonic_mean"] == pytest.approx(0.6)
    assert found["sensitivity_interval"] == pytest.approx((0.3006, 0.9544), abs=1e-4)
    # Pairs: shares 1, .75, .5, .25 against .5, 0: 2 + 2 + 1.5 + 1 of 8.
    assert found["auc"] == 6.5 / 8
    by_score = metrics(decide(votes, labels, patients, rule="mean_score"), seed=0)
    assert (by_score["true_positives"], by_score["true_negatives"]) == (2, 2)
    assert by_score["auc"] == 1


def test_a_patients_images_vote_together():
    # Patient a: 1 of 4 and 6 of 8: 7 of 12. Patient b: 3 of 4 and 0 of 4: 3 of 8.
    votes = votes_of([3, 1, 0, 6], [4, 4, 4, 8])
    labels = np.array([False, True, False, True])
    patients = np.array(["b", "a", "b", "a"])
    decisions = decide_patients(votes, labels, patients, rule="majority")
    assert decisions.labels.tolist() == [True, False]
    assert decisions.predictions.tolist() == [True, False]
    np.testing.assert_allclose(decisions.scores, [7 / 12, 3 / 8])
    assert metrics(decisions, seed=0)["num_patients"] == 2


def test_an_image_without_a_voting_patch_is_left_out():
    decisions = decide(
        votes_of([1, 0, 0], [1, 0, 1]),
        np.array([True, True, False]),
        np.array(["a", "b", "c"]),
        rule="majority",
    )
    assert decisions.patients.tolist() == ["a", "c"]


def run(training_sets, images, *, voters=("inside",), **arguments):
    return compute_votes(
        training_sets, images, read_pixels, c=1.0, voters=voters, **arguments
    )


def test_separable_classes_are_all_right():
    real = make_set("real", draw_patches(2, 60, 0), draw_patches(-2, 60, 1))
    images = make_images(2, per_class=10)
    (row,) = run([real], images)
    votes = row.votes["inside"]
    assert votes.positive.tolist() == [5] * 10 + [0] * 10
    assert votes.total.tolist() == [5] * 20
    assert row.converged
    (metrics,) = Summarizer(images, voters="inside", seed=0).rows(
        [row], real=[dataclasses.replace(row, training_set=named(real, REAL_DATA_ROW))]
    )
    assert metrics["harmonic_mean"] == metrics["auc"] == metrics["retention"] == 1.0


def named(training_set, name):
    return dataclasses.replace(training_set, name=name)


def test_permuted_labels_are_at_chance_within_their_interval():
    patches = draw_patches(0.5, 100, 0), draw_patches(-0.5, 100, 1)
    images = make_images(0.5, per_class=20, num_patches=1)
    true = make_set("true", *patches)
    permuted = [make_set("p", *patches, permutation_seed=n) for n in range(20)]
    true_row, *rows = run([true, *permuted], images)
    summarizer = Summarizer(images, voters="inside", seed=0)
    control = summarizer.permuted(rows)
    assert control["is_at_chance"]
    assert control["num_permutations"] == 20
    low, high = control["auc_interval_99"]
    assert low < 0.5 < high
    assert high - low < 0.5
    assert not summarizer.permuted([true_row, true_row])["is_at_chance"]


def test_generated_equal_to_real_has_retention_1():
    patches = draw_patches(0.2, 60, 0), draw_patches(-0.2, 60, 1)
    images = make_images(0.2, per_class=20, num_patches=7)
    rows = run([make_set("PGGAN", *patches), make_set(REAL_DATA_ROW, *patches)], images)
    generated, real = Summarizer(images, voters="inside", seed=0).rows(rows)
    assert generated["positive_votes"] == real["positive_votes"]
    assert 0.6 < real["harmonic_mean"] < 1
    assert generated["retention"] == 1
    assert generated["retention_interval"] == (1, 1)
    (difference,) = Summarizer(images, voters="inside", seed=0).differences(rows)
    assert difference["harmonic_mean_difference_interval"] == (0, 0)
    assert difference["mcnemar_p"] == 1


def test_all_patches_or_those_inside_vote():
    real = make_set("real", draw_patches(2, 60, 0), draw_patches(-2, 60, 1))
    images = make_images(2, per_class=3, num_patches=5, num_inside=2)
    (row,) = run([real], images, voters=("all", "inside"))
    assert row.votes["inside"].positive.tolist() == [2] * 3 + [0] * 3
    assert row.votes["all"].positive.tolist() == [2] * 3 + [3] * 3
    assert row.votes["all"].total.tolist() == [5] * 6


def test_scores_sum_up_over_the_patches_of_an_image():
    real = make_set("real", draw_patches(1, 60, 0), draw_patches(-1, 60, 1))
    images = make_images(1, per_class=2, num_patches=7)
    pooled, alone = (
        run([real], chosen)[0].votes["inside"] for chosen in (images, images[::3])
    )
    assert pooled.score_sum[0] == pytest.approx(alone.score_sum[0])
    assert pooled.score_sum[0] > 0 > pooled.score_sum[3]


def test_gan_test_counts_samples_that_real_data_recognises():
    real = make_set(REAL_DATA_ROW, draw_patches(2, 60, 0), draw_patches(-2, 60, 1))
    # A quarter of the positive samples show the other class.
    positive = np.concatenate([draw_patches(2, 30, 2), draw_patches(-2, 10, 3)])
    generated = make_set("PGGAN", positive, draw_patches(-2, 50, 4), generator_seed=7)
    (entry,) = gan_test([generated, real], read_pixels, c=1.0)
    assert entry["name"] == "PGGAN"
    assert entry["generator_seed"] == 7
    assert (entry["sensitivity"], entry["specificity"]) == (0.75, 1.0)
    assert entry["harmonic_mean"] == pytest.approx(2 * 0.75 / 1.75)
    assert gan_test([real], read_pixels, c=1.0) == []


def draw(num_rows, num_features, seed=0):
    """Returns overlapping classes, features of several units, one of them flat."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_rows) < num_rows // 3
    features = rng.normal(size=(num_rows, num_features)) + labels[:, None]
    features *= np.resize([1, 0.01, 300], num_features)
    features[:, 1] = 3
    return features.astype(np.float32), labels


@pytest.mark.parametrize("c", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("shape", [(120, 6), (60, 100)])  # the second is separable
def test_scores_minimise_the_squared_hinge_loss_of_standardised_features(shape, c):
    features, labels = draw(*shape)
    new, _ = draw(*shape, seed=1)
    mean, std = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float)
    std[1] = 1
    x = np.c_[(features - mean) / std, np.ones(len(features))]  # bias penalised, too
    y = np.where(labels, 1, -1)

    def objective(w):
        slack = np.maximum(0, 1 - y * (x @ w))
        return w @ w / 2 + c * slack @ slack, w - 2 * c * x.T @ (y * slack)

    start = np.zeros(x.shape[1])
    w = minimize(objective, start, jac=True, options={"gtol": 1e-9}).x
    expected = (new - mean) / std @ w[:-1] + w[-1]
    found = Classifier.fit(features.copy(), labels, c=c)
    assert found.converged
    np.testing.assert_allclose(
        found.scores(new)[:, 0], expected, atol=2e-3 * np.abs(expected).max()
    )


def test_features_that_say_nothing_give_the_larger_class():
    labels = np.arange(50) < 20
    features = np.zeros((50, 3), np.float32)
    found = Classifier.fit(features.copy(), labels, c=1.0)
    # b^2 / 2 + 20 (1 - b)^2 + 30 (1 + b)^2 is least at -20 / 101.
    np.testing.assert_allclose(found.scores(features), -20 / 101, rtol=1e-3)


def test_too_few_steps_are_not_called_converged(monkeypatch):
    monkeypatch.setattr(gan_train, "_MAX_STEPS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # only the table reports it
        found = Classifier.fit(*draw(300, 12), c=1.0)
    assert not found.converged


def test_joined_classifiers_give_a_column_of_scores_each():
    classifiers = [Classifier.fit(*draw(90, 6, seed), c=0.3) for seed in (0, 1, 2)]
    new, _ = draw(90, 6, seed=3)
    joined = Classifier.joined(classifiers).scores(new)
    assert joined.shape == (90, 3)
    for column, one in zip(joined.T, classifiers, strict=True):
        np.testing.assert_allclose(column, one.scores(new)[:, 0], rtol=1e-9)
