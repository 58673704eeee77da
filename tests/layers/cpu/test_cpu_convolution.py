"""Values and gradients against TensorFlow's own, which the module goes round."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers.cpu import cpu_convolution
from tests.helpers.gradients import value_and_gradients


def plain_conv2d(x, k, b):
    return tf.nn.conv2d(x, k, 1, "SAME") + b


def plain_downsample_conv2d(x, k, b):
    return tf.nn.avg_pool2d(tf.nn.conv2d(x, k, 1, "SAME"), 2, 2, "VALID") + b


def plain_upsample_conv2d(x, k, b):
    return plain_conv2d(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), k, b)


def leaky_relu(x):
    return tf.nn.leaky_relu(x, 0.2)


def activated(function):
    return lambda x, k, b: function(x, k, b, activation="leaky_relu")


CASES = {
    "conv2d without bias": (
        lambda x, k, b: cpu_convolution.conv2d(x, k, None),
        lambda x, k, b: plain_conv2d(x, k, 0.0),
    ),
    "conv2d": (
        activated(cpu_convolution.conv2d),
        lambda x, k, b: leaky_relu(plain_conv2d(x, k, b)),
    ),
    "conv2d of one pixel": (
        lambda x, k, b: cpu_convolution.conv2d(x, k[1:2, 1:2], b),
        lambda x, k, b: plain_conv2d(x, k[1:2, 1:2], b),
    ),
    "downsample_conv2d without bias": (
        lambda x, k, b: cpu_convolution.downsample_conv2d(x, k, None),
        lambda x, k, b: plain_downsample_conv2d(x, k, 0.0),
    ),
    "downsample_conv2d": (
        activated(cpu_convolution.downsample_conv2d),
        lambda x, k, b: leaky_relu(plain_downsample_conv2d(x, k, b)),
    ),
    "upsample_conv2d without bias": (
        lambda x, k, b: cpu_convolution.upsample_conv2d(x, k, None),
        lambda x, k, b: plain_upsample_conv2d(x, k, 0.0),
    ),
    "upsample_conv2d": (
        activated(cpu_convolution.upsample_conv2d),
        lambda x, k, b: leaky_relu(plain_upsample_conv2d(x, k, b)),
    ),
    "bias_act": (
        lambda x, k, b: cpu_convolution.bias_act(
            x[..., :4], b, activation="leaky_relu"
        ),
        lambda x, k, b: leaky_relu(x[..., :4] + b),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradients_of_both_orders(normal, case):
    inputs = [tf.constant(normal(2, 6, 10, 5)), normal(3, 3, 5, 4), normal(4)]
    inputs = [tf.constant(x) for x in inputs]
    actual, expected = (
        value_and_gradients(function, inputs) for function in CASES[case]
    )
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4 * np.abs(e).max())


def test_third_order(normal):
    x, kernel = tf.constant(normal(1, 4, 4, 2)), tf.constant(normal(3, 3, 2, 2))

    def gradient_of_gradient_norm(conv2d):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(kernel)
                total = tf.reduce_sum(tf.sin(conv2d(x, kernel)))
            norm = tf.reduce_sum(tf.square(inner.gradient(total, kernel)))
        return outer.gradient(norm, x)

    np.testing.assert_allclose(
        gradient_of_gradient_norm(lambda x, k: cpu_convolution.conv2d(x, k, None)),
        gradient_of_gradient_norm(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME")),
        rtol=1e-4,
        atol=1e-3,
    )
