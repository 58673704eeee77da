"""Training batches whose order and content are a pure function of (seed, step)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gastritis_gan.data.patch_reader import read_patches
from gastritis_gan.data.store import Store

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
    # The step sits in the counter's third word: 2**128 numbers lie between two steps.
    bits = np.random.Philox(key=[seed, stream], counter=[0, 0, step, 0])
    return pool[np.random.Generator(bits).integers(len(pool), size=batch_size)]


def make_dataset(
    store: Store,
    pools: Sequence[np.ndarray],
    *,
    resolution: int,
    batch_size: int,
    seed: int,
    first_step: int,
    num_steps: int,
) -> tf.data.Dataset:
    """Makes the batches of the steps from `first_step` on, read ahead in parallel.

    Args:
        store: The store.
        pools: One int64 ndarray of patch indices per tensor of an element.
        resolution: Side of the patches in pixels, at most the store's patch size.
        batch_size: Patches per pool and step.
        seed: Seed of the run.
        first_step: Number of the first step; resuming there gives what an uninterrupted
            run would have seen.
        num_steps: Number of elements.

    Returns:
        Dataset of tuples with one float32 tensor `(batch, resolution, resolution, 1)`
        in [-1, 1] per pool.

    Raises:
        ValueError: A pool is empty, or `resolution` is above the patch size.
    """
    empty = [number for number, pool in enumerate(pools) if len(pool) == 0]
    if empty:
        raise ValueError(f"`pools` must not be empty. Received: empty pools {empty}")
    if resolution > store.geometry.patch_size:
        raise ValueError(
            f"`resolution` must be at most the patch size "
            f"({store.geometry.patch_size}). Received: {resolution}"
        )

    def read(step: np.int64) -> list[np.ndarray]:
        return [
            read_patches(
                store,
                draw_indices(
                    pool,
                    seed=seed,
                    stream=stream,
                    step=int(step),
                    batch_size=batch_size,
                ),
                resolution,
            )
            for stream, pool in enumerate(pools)
        ]

    def element(step: tf.Tensor) -> tuple[tf.Tensor, ...]:
        batches = tf.numpy_function(
            read, [step], [tf.float32] * len(pools), stateful=False
        )
        return tuple(
            tf.ensure_shape(batch, (batch_size, resolution, resolution, 1))
            for batch in batches
        )

    steps = tf.data.Dataset.range(first_step, first_step + num_steps)
    batches = steps.map(
        element, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return batches.prefetch(_PREFETCHED_STEPS)
