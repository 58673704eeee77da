"""Training batches whose order and content are a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gastritis_gan import rng
from gastritis_gan.store.store import Store, read_patches

_PREFETCHED_STEPS = 4


def draw_indices(
    pool: np.ndarray, *, seed: int, stream: int, step: int, batch_size: int
) -> np.ndarray:
    """Draws a batch uniformly and with replacement; any step costs the same.

    Args:
        pool: ndarray of int64 of shape (n,), the patches to draw from.
        seed: Seed of the run.
        stream: Number of the pool; pools draw independently of each other.
        step: Number of the training step.
        batch_size: Number of patches.

    Returns:
        ndarray of int64 of shape (batch_size,), elements of `pool`.
    """
    generator = rng.stream(seed, "dataset.batch", stream, step)
    return pool[generator.integers(len(pool), size=batch_size)]


def make_dataset(  # noqa: PLR0913 - what, when and which part of it
    store: Store,
    pools: Sequence[np.ndarray],
    *,
    resolution: int,
    batch_size: int,
    seed: int,
    first_step: int,
    num_steps: int,
    shards: Sequence[int] = (0,),
    num_shards: int = 1,
) -> tf.data.Dataset:
    """Makes the batches of the steps from `first_step` on, read ahead in parallel.

    A global batch is cut into `num_shards` shards of consecutive rows. A worker with L
    of N replicas takes the shards `range(first_replica, first_replica + L)` of N, and
    its dataset has L elements a step: hand it to `tf.distribute` by
    `distribute_datasets_from_function`. `tf.data`'s own sharding is off, for it would
    deal whole steps out to workers.

    Args:
        store: The store.
        pools: One int64 ndarray of patch indices per tensor of an element.
        resolution: Side of the patches in pixels, at most the store's patch size.
        batch_size: Patches per pool and step over all shards.
        seed: Seed of the run.
        first_step: Number of the first step; resuming there gives what an uninterrupted
            run would have seen.
        num_steps: Number of steps.
        shards: Which shards to read, one element of the dataset each, in this order.
        num_shards: Into how many the global batch is cut.

    Returns:
        Dataset of tuples with one float32 tensor `(batch / num_shards, resolution,
        resolution, 1)` in [-1, 1] per pool.

    Raises:
        ValueError: A pool is empty, `resolution` is above the patch size, or the shards
            do not divide the batch.
    """
    empty = [number for number, pool in enumerate(pools) if len(pool) == 0]
    if empty:
        raise ValueError(f"`pools` must not be empty. Received: empty pools {empty}")
    if resolution > store.geometry.patch_size:
        raise ValueError(
            f"`resolution` must be at most the patch size "
            f"({store.geometry.patch_size}). Received: {resolution}"
        )

    rows_per_shard, rest = divmod(batch_size, num_shards)
    if rest or not set(shards) <= set(range(num_shards)):
        raise ValueError(
            f"`num_shards` must divide `batch_size` ({batch_size}), and `shards` be "
            f"from 0 to below it. Received: num_shards={num_shards}, "
            f"shards={list(shards)}"
        )

    def read(position: np.int64) -> list[np.ndarray]:
        step, place = divmod(int(position), len(shards))
        first_row = shards[place] * rows_per_shard
        return [
            read_patches(
                store,
                draw_indices(
                    pool, seed=seed, stream=stream, step=step, batch_size=batch_size
                )[first_row : first_row + rows_per_shard],
                resolution,
            )
            for stream, pool in enumerate(pools)
        ]

    def element(position: tf.Tensor) -> tuple[tf.Tensor, ...]:
        batches = tf.numpy_function(
            read, [position], [tf.float32] * len(pools), stateful=False
        )
        return tuple(
            tf.ensure_shape(batch, (rows_per_shard, resolution, resolution, 1))
            for batch in batches
        )

    positions = tf.data.Dataset.range(
        first_step * len(shards), (first_step + num_steps) * len(shards)
    )
    batches = positions.map(
        element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return batches.prefetch(_PREFETCHED_STEPS).with_options(options)
