from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.gan_train import compute_votes, gan_test, num_steps
from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.evaluation.summary import Summarizer
from tests.helpers.toy_patches import draw_patches, make_images, make_set, read_pixels


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


def test_every_step_is_reported():
    sets = [
        make_set(str(n), draw_patches(2, 9, n), draw_patches(-2, 9, 9)) for n in (0, 1)
    ]
    images = make_images(2, per_class=3)
    steps = []
    run(sets, images, report=steps.append)
    assert sum(steps) == num_steps(2, 6) == 8


@pytest.mark.parametrize(
    ("chosen", "missing"), [(slice(0, 3), "negative"), (slice(3, 6), "positive")]
)
def test_test_images_of_one_class_are_refused(chosen, missing):
    images = make_images(2, per_class=3)[chosen]
    with pytest.raises(InputError, match=f"no {missing} test image"):
        run([], images)


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
