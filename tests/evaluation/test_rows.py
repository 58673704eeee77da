from __future__ import annotations

import collections
from types import SimpleNamespace

import numpy as np
import pytest

from gastritis_gan.evaluation.gan_train import Classifier, train
from gastritis_gan.evaluation.patch_samples import generated_patches, sample_features
from gastritis_gan.evaluation.rows import (
    draw_patients,
    draw_real_patches,
    generated_rows,
    mixed_row,
    numbers_of_patients,
    permuted_rows,
    sample_seeds,
)
from gastritis_gan.storage import ArrayFolder
from tests.helpers.toy_patches import draw_patches, make_set, read_pixels

PLACES = [
    (model, target, 0)
    for model in ("lc_pggan", "pggan")
    for target in ("positive", "negative")
]


def make_pool(folder, place, count=400, seed=0):
    """Returns flat images whose shade shows which generator made them."""
    shade = np.uint8(50 * PLACES.index((*place[:2], 0)) + 10 * place[2])
    model, target, training_seed = place
    seeds = sample_seeds(
        model, target, training_seed=training_seed, count=count, seed=seed
    )
    generator = SimpleNamespace(
        generate=lambda seeds: np.full((len(seeds), 2, 2, 1), shade),
        model_hash=f"hash {place}",
        resolution=2,
    )
    return generated_patches(generator, seeds, ArrayFolder(folder))


def shades(sample):
    pixels = sample_features(sample, lambda block: block.read()[:, 0, 0])
    return np.rint((pixels[:, 0] + 1) * 127.5)


@pytest.fixture
def pools(tmp_path):
    return {place: make_pool(tmp_path, place) for place in PLACES}


def test_rows_are_the_papers(pools):
    rows = generated_rows(pools, patches_per_class=300, sample_seed=0)
    assert [row.name for row in rows] == ["LC-PGGAN + PGGAN", "LC-PGGAN", "PGGAN"]
    assert all(len(row.positive) == len(row.negative) == 300 for row in rows)
    _, conditional, _ = rows
    assert set(shades(conditional.positive)) == {0}
    assert set(shades(conditional.negative)) == {50}
    assert len(shades(conditional.positive)) == 300


def test_the_mixed_row_is_drawn_from_the_union(pools):
    mixed = generated_rows(pools, patches_per_class=300, sample_seed=0)[0]
    found = shades(mixed.positive)
    assert set(found) == {0, 100}  # the positive LC-PGGAN's and the positive PGGAN's
    # Hypergeometric(800, 400, 300): mean 150, standard deviation 6.85; 4 of them.
    assert abs(np.sum(found == 0) - 150) < 28


def test_a_dcgan_has_its_row_too(pools):
    for target in ("positive", "negative"):
        pools["dcgan", target, 0] = pools["pggan", target, 0]
    rows = generated_rows(pools, patches_per_class=300, sample_seed=0)
    assert [row.name for row in rows][-1] == "DCGAN"


def test_draws_depend_on_the_seed_and_the_generator_only():
    seeds = {
        (model, training_seed, seed): tuple(
            sample_seeds(
                model, "positive", training_seed=training_seed, count=9, seed=seed
            )
        )
        for model in ("lc_pggan", "pggan")
        for training_seed in (0, 1)
        for seed in (0, 1)
    }
    assert len(set(seeds.values())) == 8
    assert seeds["pggan", 0, 1] == tuple(
        sample_seeds("pggan", "positive", training_seed=0, count=9, seed=1)
    )


def test_choice_is_without_replacement_and_repeatable(pools):
    first, again, other = (
        generated_rows(pools, patches_per_class=300, sample_seed=seed)[1].positive
        for seed in (3, 3, 4)
    )
    assert len(set(first.chosen)) == 300
    np.testing.assert_array_equal(first.chosen, again.chosen)
    assert (first.chosen != other.chosen).any()


def test_a_row_needs_generators_of_both_classes(pools):
    del pools["pggan", "negative", 0]
    rows = generated_rows(pools, patches_per_class=2, sample_seed=0)
    assert [row.name for row in rows] == ["LC-PGGAN"]


def test_each_training_seed_is_a_chain_of_its_own(pools, tmp_path):
    for target in ("positive", "negative"):
        pools["pggan", target, 5] = make_pool(tmp_path, ("pggan", target, 5))
    rows = generated_rows(pools, patches_per_class=20, sample_seed=0)
    named = [(row.name, row.generator_seed) for row in rows]
    assert named == [
        ("LC-PGGAN + PGGAN", 0),
        ("LC-PGGAN", 0),
        ("PGGAN", 0),
        ("PGGAN", 5),
    ]
    assert set(shades(rows[3].positive)) == {150}


def test_single_generators_are_a_chain_whatever_their_seeds(tmp_path):
    pools = {
        ("pggan", target, seed): make_pool(tmp_path, ("pggan", target, seed))
        for target, seed in (("positive", 1), ("negative", 2))
    }
    (row,) = generated_rows(pools, patches_per_class=20, sample_seed=0)
    assert (row.name, row.generator_seed) == ("PGGAN", None)


def test_a_small_pool_of_real_patches_is_taken_whole():
    pools = {"positive": np.arange(600), "negative": np.arange(1000, 1007)}
    drawn = {
        target: draw_real_patches(pool, 300, sample_seed=0, target=target)
        for target, pool in pools.items()
    }
    assert len(set(drawn["positive"])) == 300
    assert drawn["positive"].max() < 600
    assert drawn["negative"].tolist() == list(range(1000, 1007))


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
