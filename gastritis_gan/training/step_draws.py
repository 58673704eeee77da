"""The random numbers of one training step: a pure function of (seed, step)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_MOST_STREAMS = 32  # room for more without moving the numbers of other seeds


class Stream(enum.IntEnum):
    """What numbers are for; streams are independent of each other."""

    LATENTS = 0
    MIXING_FACTORS = 2
    AUGMENT_D_FAKE = 5
    AUGMENT_G_FAKE = 6
    FLIPS = 8  # and one above for each further set of images
    AUGMENT_SETS = 16  # likewise


class StepDraws:
    """Draws for the global batch of a step, and gives a replica its own rows of it.

    So two replicas see what one device would have seen.

    Args:
        seed: Seed of the run.
        step: int64 scalar, the global step.
        batch_size: Rows over all replicas.
        num_rows: Rows of this replica.
    """

    def __init__(
        self, *, seed: int, step: tf.Tensor, batch_size: int, num_rows: tf.Tensor
    ) -> None:
        self._seed = seed
        self._step = step
        self._batch_size = batch_size
        self._num_rows = num_rows
        self._replica = tf.distribute.get_replica_context().replica_id_in_sync_group

    def normal(self, stream: int, *shape: int) -> tf.Tensor:
        """Returns standard normals of shape `(num_rows, *shape)`."""
        return self._own(tf.random.stateless_normal, stream, shape)

    def uniform(self, stream: int, *shape: int) -> tf.Tensor:
        """Returns uniform numbers in [0, 1) of shape `(num_rows, *shape)`."""
        return self._own(tf.random.stateless_uniform, stream, shape)

    def _own(
        self, draw: Callable[..., tf.Tensor], stream: int, shape: tuple[int, ...]
    ) -> Any:
        rows = draw((self._batch_size, *shape), seed=self._key(stream), alg="philox")
        return rows[self._replica * self._num_rows :][: self._num_rows]

    def _key(self, stream: int) -> tf.Tensor:
        word = tf.int64.as_numpy_dtype(self._seed * _MOST_STREAMS + stream)
        return tf.stack([word, self._step])
