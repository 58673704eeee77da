from __future__ import annotations

import tensorflow as tf


def value_and_gradients(function, inputs):
    """Returns the value, its gradients, and those of a penalty on a gradient."""

    @tf.function
    def compute(*inputs):
        with tf.GradientTape(persistent=True) as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs[0])
                value = function(*inputs)
                total = tf.reduce_sum(tf.sin(value))  # no gradient is constant
            input_gradient = inner.gradient(total, inputs[0])
            penalty = tf.reduce_sum(tf.square(input_gradient))
        zero = tf.UnconnectedGradients.ZERO
        return (
            value,
            *outer.gradient(total, inputs, unconnected_gradients=zero),
            *outer.gradient(penalty, inputs, unconnected_gradients=zero),
        )

    return compute(*inputs)
