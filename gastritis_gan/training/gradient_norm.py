"""Euclidean norm of all gradients of a network."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf

_NUM_PARTS = 16
_MIN_PART = 1024


def gradient_norm(gradients: Iterable[tf.Tensor]) -> tf.Tensor:
    """Returns the square root of the sum of all squares, a float32 scalar.

    Unlike `tf.linalg.global_norm`, it first adds up parts of large gradients, which XLA
    does for many numbers at a time; it would add up a whole array one by one.

    Args:
        gradients: Float32 tensors of known shapes.
    """
    return tf.sqrt(tf.add_n([_sum_of_squares(gradient) for gradient in gradients]))


def _sum_of_squares(gradient: tf.Tensor) -> tf.Tensor:
    size = gradient.shape.num_elements()
    squares = tf.reshape(gradient, (size,))
    function = tf.square
    while size % _NUM_PARTS == 0 and size >= _NUM_PARTS * _MIN_PART:
        size //= _NUM_PARTS
        parts = tf.unstack(tf.reshape(squares, (_NUM_PARTS, size)))
        squares = tf.add_n([function(part) for part in parts])
        function = tf.identity
    return tf.reduce_sum(function(squares))
