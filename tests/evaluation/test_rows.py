from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.evaluation.rows import generated_rows, real_row, sample_seeds


class FakeGenerator:
    """Images are flat and show which generator made them; it remembers its seeds."""

    def __init__(self, shade):
        self.shade = shade
        self.seeds = []

    def __call__(self, seeds):
        self.seeds.extend(seeds.tolist())
        return np.full((len(seeds), 2, 2, 1), self.shade, np.uint8)


@pytest.fixture
def generators():
    keys = [
        (model, target)
        for model in ("lc_pggan", "pggan")
        for target in ("positive", "negative")
    ]
    return {key: FakeGenerator(50 * number) for number, key in enumerate(keys)}


def read(batches):
    return np.concatenate(list(batches()))


def test_rows_are_the_papers(generators):
    rows = generated_rows(
        generators, samples_per_generator=400, patches_per_class=300, seed=0
    )
    assert [row.name for row in rows] == ["LC-PGGAN + PGGAN", "LC-PGGAN", "PGGAN"]
    assert all((row.num_positive, row.num_negative) == (300, 300) for row in rows)
    _, conditional, _ = rows
    positive, negative = read(conditional.positive), read(conditional.negative)
    assert positive.shape == (300, 2, 2, 1)
    np.testing.assert_array_equal(positive, np.float32(-1))  # grey level 0
    np.testing.assert_allclose(negative, 50 / 127.5 - 1, rtol=1e-6)


def test_the_mixed_row_is_drawn_from_the_union(generators):
    mixed = generated_rows(
        generators, samples_per_generator=400, patches_per_class=300, seed=0
    )[0]
    shades = np.rint((read(mixed.positive)[:, 0, 0, 0] + 1) * 127.5)
    assert set(shades) == {0, 100}  # the positive LC-PGGAN's and the positive PGGAN's
    # Hypergeometric(800, 400, 300): mean 150, standard deviation 6.85; 4 of them.
    assert abs(np.sum(shades == 0) - 150) < 28


def test_samples_are_distinct_and_among_the_generators_draws(generators):
    rows = generated_rows(
        generators, samples_per_generator=400, patches_per_class=300, seed=0
    )
    read(rows[1].positive)
    used = generators["lc_pggan", "positive"].seeds
    assert len(set(used)) == 300
    drawn = sample_seeds("lc_pggan", "positive", count=400, seed=0)
    assert set(used) < set(drawn.tolist())


def test_draws_depend_on_the_seed_and_the_generator_only(generators):
    seeds = {
        (model, seed): tuple(sample_seeds(model, "positive", count=9, seed=seed))
        for model in ("lc_pggan", "pggan")
        for seed in (0, 1)
    }
    assert len(set(seeds.values())) == 4
    assert seeds["pggan", 1] == tuple(
        sample_seeds("pggan", "positive", count=9, seed=1)
    )
    row = generated_rows(
        generators, samples_per_generator=20, patches_per_class=10, seed=3
    )[1]
    read(row.negative)
    first = generators["lc_pggan", "negative"].seeds.copy()
    read(row.negative)
    assert generators["lc_pggan", "negative"].seeds == first + first


def test_a_row_needs_generators_of_both_classes(generators):
    del generators["pggan", "negative"]
    rows = generated_rows(
        generators, samples_per_generator=4, patches_per_class=2, seed=0
    )
    assert [row.name for row in rows] == ["LC-PGGAN"]


def test_real_row_takes_a_small_pool_whole():
    pools = {"positive": np.arange(600), "negative": np.arange(1000, 1007)}
    row = real_row(
        lambda indices: indices.astype(np.float32).reshape(-1, 1, 1, 1),
        pools,
        patches_per_class=300,
        seed=0,
    )
    assert (row.num_positive, row.num_negative) == (300, 7)
    positive = read(row.positive).ravel()
    assert len(set(positive)) == 300
    assert positive.max() < 600
    assert read(row.negative).ravel().tolist() == list(range(1000, 1007))
