from __future__ import annotations

import collections

import numpy as np
import pytest

from gastritis_gan.evaluation.classifier import Classifier
from gastritis_gan.evaluation.gan_train import train
from gastritis_gan.evaluation.rows import (
    draw_patients,
    mixed_row,
    numbers_of_patients,
    permuted_rows,
)
from tests.helpers.toy_patches import draw_patches, make_set, read_pixels


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ((100, 100), [(1, 1), (10, 10)]),
        ((16, 30), [(1, 1), (2, 3)]),
        ((10, 10), [(1, 1)]),  # 1 % and 10 % are one patient
        ((2, 2), [(1, 1)]),
        ((1, 1), []),
    ],
)
def test_numbers_of_patients(training, expected):
    numbers = numbers_of_patients({"positive": training[0], "negative": training[1]})
    assert [(few["positive"], few["negative"]) for few in numbers] == expected


def test_patients_are_drawn_whole():
    patients = np.array(["a", "b", "b", "c", "a", "d"])
    drawn = {
        tuple(draw_patients(patients, 2, seed=0, target="positive", draw=draw))
        for draw in range(20)
    }
    assert len(drawn) == 6  # of four patients two: every pair comes up
    for chosen in drawn:
        theirs = set(patients[list(chosen)])
        assert len(theirs) == 2
        assert not theirs & set(patients[~np.array(chosen)])


def test_permuted_rows_use_the_real_patches_only():
    real = make_set("real", draw_patches(1, 700, 0), draw_patches(-1, 41, 1))
    rows = permuted_rows(real)
    assert len({row.permutation_seed for row in rows}) == len(rows) == 20
    assert {(len(row.positive), len(row.negative)) for row in rows} == {(500, 40)}
    chosen = rows[0].positive.chosen
    assert len(set(chosen)) == 500


def test_permuted_labels_are_split_evenly_in_each_class(monkeypatch):
    seen = {}

    def fit(features, labels, *, c):
        seen["labels"] = labels

    monkeypatch.setattr(Classifier, "fit", fit)
    permuted = make_set(
        "p", draw_patches(1, 40, 0), draw_patches(-1, 60, 1), permutation_seed=3
    )
    train(permuted, read_pixels, c=1.0)
    assert seen["labels"][:40].sum() == 20
    assert seen["labels"][40:].sum() == 30
    assert 0 < seen["labels"][:20].sum() < 20


@pytest.mark.parametrize(("num_real", "real", "generated"), [(8, 8, 42), (90, 25, 25)])
def test_a_mixed_row_is_filled_up_with_generated_patches(num_real, real, generated):
    few = make_set("1 + 1", draw_patches(1, num_real, 0), draw_patches(-1, num_real, 1))
    synthetic = make_set(
        "PGGAN", draw_patches(1, 50, 2), draw_patches(-1, 50, 3), generator_seed=4
    )
    mixed = mixed_row(few, synthetic, patches_per_class=50)
    assert mixed.name == "1 + 1 and PGGAN"
    assert mixed.generator_seed == 4
    for target in ("positive", "negative"):
        counts = collections.Counter()
        for block, chosen in getattr(mixed, target).used():
            counts[block.key.startswith("PGGAN")] += len(chosen)
        assert counts == {False: real, True: generated}
