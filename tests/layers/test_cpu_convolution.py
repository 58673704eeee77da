"""Values and gradients against TensorFlow's own, which the module goes round."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers import cpu_convolution
from gastritis_gan.layers.convolution import HALVING

CASES = {
    "convolve": (
        lambda x, k, b: cpu_convolution.convolve(x, k),
        lambda x, k, b: tf.nn.conv2d(x, k, 1, "SAME"),
    ),
    "convolve_and_rectify": (
        lambda x, k, b: cpu_convolution.convolve(x, k, b, rectified=True),
        lambda x, k, b: tf.nn.leaky_relu(tf.nn.conv2d(x, k, 1, "SAME") + b, 0.2),
    ),
    "convolve_with_stride": (
        lambda x, k, b: cpu_convolution.convolve(x, k, b, HALVING),
        lambda x, k, b: tf.nn.conv2d(x, k, 2, "VALID") + b,
    ),
    "convolve_pixels": (
        lambda x, k, b: cpu_convolution.convolve(x, k[1:2, 1:2], b),
        lambda x, k, b: tf.nn.conv2d(x, k[1:2, 1:2], 1, "SAME") + b,
    ),
    "convolve_transposed": (
        lambda x, k, b: cpu_convolution.convolve_transposed(
            x, tf.transpose(k, (0, 1, 3, 2)), HALVING
        ),
        lambda x, k, b: tf.nn.conv2d_transpose(
            x, tf.transpose(k, (0, 1, 3, 2)), (2, 15, 19, 4), 2, "VALID"
        ),
    ),
    "add_bias_and_rectify": (
        lambda x, k, b: cpu_convolution.add_bias(x[..., :4], b, rectified=True),
        lambda x, k, b: tf.nn.leaky_relu(x[..., :4] + b, 0.2),
    ),
    "average_neighbours": (
        lambda x, k, b: cpu_convolution.average_neighbours(x),
        lambda x, k, b: mean_of_four(x),
    ),
    "average_padded": (
        lambda x, k, b: cpu_convolution.average_padded(x),
        lambda x, k, b: mean_of_four(tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))),
    ),
}


def mean_of_four(x):
    return (x[:, 1:, 1:] + x[:, 1:, :-1] + x[:, :-1, 1:] + x[:, :-1, :-1]) / 4


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradients_of_both_orders(normal, case):
    inputs = [tf.constant(normal(2, 7, 9, 5)), normal(3, 3, 5, 4), normal(4)]
    inputs = [tf.constant(x) for x in inputs]
    actual, expected = (
        value_and_gradients(function, inputs) for function in CASES[case]
    )
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4 * np.abs(e).max())


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


def test_third_order(normal):
    x, kernel = tf.constant(normal(1, 4, 4, 2)), tf.constant(normal(3, 3, 2, 2))

    def gradient_of_gradient_norm(convolve):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(kernel)
                total = tf.reduce_sum(tf.sin(convolve(x, kernel)))
            norm = tf.reduce_sum(tf.square(inner.gradient(total, kernel)))
        return outer.gradient(norm, x)

    np.testing.assert_allclose(
        gradient_of_gradient_norm(cpu_convolution.convolve),
        gradient_of_gradient_norm(lambda x, k: tf.nn.conv2d(x, k, 1, "SAME")),
        rtol=1e-4,
        atol=1e-3,
    )


def test_half_precision_is_left_to_the_plain_functions():
    assert not cpu_convolution.is_faster("float16")


def test_a_gpu_is_left_to_the_plain_functions(monkeypatch):
    assert cpu_convolution.is_faster("float32")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert not cpu_convolution.is_faster("float32")
