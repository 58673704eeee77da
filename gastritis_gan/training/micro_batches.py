"""Gradient accumulation: a batch in parts, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def mean_over_micro_batches(
    compute: Callable[[Any], Any],
    rows: Any,
    *,
    num_micro_batches: int,
    like: Any,
) -> Any:
    """Returns the mean of `compute` over equal, consecutive parts of a batch.

    The parts are computed one after the other, so that the activations of one alone are
    in memory.

    Args:
        compute: Maps the rows of a part to a nest of means over these rows, such as
            gradients of a mean loss.
        rows: Nest of tensors with one row per sample of the batch.
        num_micro_batches: How many parts; divides the number of rows.
        like: Nest of tensors with the structure, shapes and types of the result.
    """
    if num_micro_batches == 1:
        return compute(rows)
    parts = _parts(rows, num_micro_batches)
    totals = tf.nest.map_structure(tf.zeros_like, like)

    def add_part(number: tf.Tensor, totals: Any) -> Any:
        part = tf.nest.map_structure(lambda x: x[number], parts)
        result = compute(part)
        return number + 1, tf.nest.map_structure(tf.add, totals, result)

    _, totals = tf.while_loop(
        lambda number, totals: number < num_micro_batches,
        add_part,
        (tf.constant(0), totals),
        parallel_iterations=1,
    )
    return tf.nest.map_structure(lambda total: total / num_micro_batches, totals)


def map_micro_batches(
    compute: Callable[[tf.Tensor], tf.Tensor],
    rows: tf.Tensor,
    *,
    num_micro_batches: int,
) -> tf.Tensor:
    """Returns the rows of `compute` for equal parts of a batch, one after the other.

    Args:
        compute: Maps the rows of a part to as many rows.
        rows: Tensor with one row per sample of the batch.
        num_micro_batches: How many parts; divides the number of rows.
    """
    if num_micro_batches == 1:
        return compute(rows)
    results = tf.map_fn(compute, _parts(rows, num_micro_batches), parallel_iterations=1)
    return tf.reshape(results, (-1, *results.shape[2:]))


def _parts(rows: Any, num_parts: int) -> Any:
    return tf.nest.map_structure(
        lambda x: tf.reshape(x, (num_parts, -1, *x.shape[1:])), rows
    )
