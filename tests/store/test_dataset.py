from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.store.store import read_patches

tf = pytest.importorskip("tensorflow")
dataset = pytest.importorskip("gastritis_gan.store.dataset")

POOL = np.arange(1000, 1010)


def _draw(pool=POOL, *, seed=1, stream=0, step=0, batch_size=64):
    return dataset.draw_indices(
        pool, seed=seed, stream=stream, step=step, batch_size=batch_size
    )


def test_draws_are_a_function_of_seed_stream_and_step():
    np.testing.assert_array_equal(_draw(), _draw())
    draws = [_draw(), _draw(seed=2), _draw(stream=1), _draw(step=1), _draw(step=2**40)]
    assert len({draw.tobytes() for draw in draws}) == len(draws)
    assert _draw().dtype == np.int64


def test_draws_are_uniform_and_independent_between_steps():
    draws = np.stack([_draw(step=step, batch_size=10) for step in range(2000)])
    counts = np.bincount(draws.ravel() - 1000, minlength=10)
    assert len(counts) == 10
    # 20,000 draws, binomial: mean 2000, standard deviation 42
    assert abs(counts - 2000).max() < 5 * 42
    same = (draws[1:] == draws[:-1]).mean()  # chance 0.1, standard deviation 0.002
    assert abs(same - 0.1) < 5 * 0.0022


def _batches(store, pools, *, first_step, num_steps):
    made = dataset.make_dataset(
        store,
        pools,
        resolution=8,
        batch_size=3,
        seed=7,
        first_step=first_step,
        num_steps=num_steps,
    )
    return made, [[batch.numpy() for batch in element] for element in made]


def test_elements_are_the_drawn_patches_in_order_and_restart_anywhere(make_store):
    store = make_store()
    pools = [store.patch_set(name, "train") for name in ("positive", "outside")]
    made, elements = _batches(store, pools, first_step=0, num_steps=9)
    assert made.element_spec == (tf.TensorSpec((3, 8, 8, 1), tf.float32),) * 2
    assert len(elements) == 9
    for step, element in enumerate(elements):
        for stream, (pool, batch) in enumerate(zip(pools, element, strict=True)):
            drawn = _draw(pool, seed=7, stream=stream, step=step, batch_size=3)
            np.testing.assert_array_equal(batch, read_patches(store, drawn, 8))
    _, restarted = _batches(store, pools, first_step=6, num_steps=3)
    np.testing.assert_array_equal(restarted, elements[6:])


def test_shards_are_rows_of_the_global_batch(make_store):
    store = make_store()
    pools = [store.patch_set(name, "train") for name in ("positive", "outside")]

    def read(**shards):
        made = dataset.make_dataset(
            store,
            pools,
            resolution=8,
            batch_size=12,
            seed=7,
            first_step=5,
            num_steps=3,
            **shards,
        )
        policy = made.options().experimental_distribute.auto_shard_policy
        assert policy == tf.data.experimental.AutoShardPolicy.OFF
        return np.array([[batch.numpy() for batch in element] for element in made])

    whole = read()  # [steps, pools, batch, 8, 8, 1]
    assert whole.shape == (3, 2, 12, 8, 8, 1)
    for num_shards in (2, 3, 6):
        parts = [read(shards=(i,), num_shards=num_shards) for i in range(num_shards)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)
    # The second of two workers with two replicas each.
    found = read(shards=range(2, 4), num_shards=4)
    assert found.shape == (6, 2, 3, 8, 8, 1)
    for step in range(3):
        np.testing.assert_array_equal(found[2 * step], whole[step, :, 6:9])
        np.testing.assert_array_equal(found[2 * step + 1], whole[step, :, 9:])


@pytest.mark.parametrize("shards", [{"num_shards": 5}, {"shards": (1,)}])
def test_shards_that_do_not_fit_are_refused(make_store, shards):
    with pytest.raises(ValueError, match=r"`num_shards` must divide `batch_size` \(12"):
        dataset.make_dataset(
            make_store(),
            [POOL],
            resolution=8,
            batch_size=12,
            seed=0,
            first_step=0,
            num_steps=1,
            **shards,
        )


def test_an_empty_pool_or_a_large_resolution_is_refused(make_store):
    store = make_store()
    with pytest.raises(ValueError, match=r"empty pools \[1\]"):
        _batches(store, [POOL, POOL[:0]], first_step=0, num_steps=1)
    with pytest.raises(
        ValueError, match=r"at most the patch size \(16\). Received: 32"
    ):
        dataset.make_dataset(
            store,
            [POOL],
            resolution=32,
            batch_size=1,
            seed=0,
            first_step=0,
            num_steps=1,
        )
