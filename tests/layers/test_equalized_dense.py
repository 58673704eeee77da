from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers import EqualizedDense
from tests.helpers.layer_checks import check_layer


@pytest.mark.parametrize("units", [3, (4, 4, 2)])
def test_layer(normal, tmp_path, units):
    shape = (2, units) if isinstance(units, int) else (2, *units)
    check_layer(
        EqualizedDense(units, gain=1.5, activation="leaky_relu", seed=2),
        normal(2, 5),
        expected_shape=shape,
        num_weights=2,
        folder=tmp_path,
    )


def test_equals_a_plain_dense_layer_with_a_scaled_kernel(normal):
    x, kernel, bias = normal(3, 7), normal(7, 5), normal(5)
    layer = EqualizedDense(5)
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    plain = keras.layers.Dense(5)
    plain.build(x.shape)
    plain.set_weights([kernel * np.sqrt(2 / 7), bias])
    np.testing.assert_allclose(layer(x), plain(x), atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_the_slope_of_its_leaky_relu_is_a_fifth(training):
    layer = EqualizedDense(2, gain=1.0, activation="leaky_relu")
    layer.build((None, 1))
    layer.kernel.assign([[3.0, -3.0]])
    layer.bias.assign([0.5, 0.5])
    x = tf.constant([[1.0], [-1.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=training)
        total = tf.reduce_sum(outputs)
    np.testing.assert_allclose(outputs, [[3.5, -0.5], [-0.5, 3.5]])
    np.testing.assert_allclose(tape.gradient(total, x), [[2.4], [-2.4]], rtol=1e-6)


def test_its_leaky_relu_is_not_curved():
    """So in training a gradient penalty costs no way back through the layer."""
    layer = EqualizedDense(2, activation="leaky_relu", seed=1)
    layer.build((3, 4))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                outputs = layer(x, training=True)
            gradient = inner.gradient(outputs, x)
            penalty = tf.reduce_sum(tf.square(gradient))
        return outer.gradient(penalty, [x, layer.kernel.value])

    by_input, by_kernel = gradients(tf.ones((3, 4)))
    assert by_input is None
    assert np.any(by_kernel)


def test_one_bias_per_feature_map_of_a_shaped_output(normal):
    bias = normal(3)
    layer = EqualizedDense((2, 2, 3))
    layer.build((None, 6))
    layer.bias.assign(bias)
    outputs = layer(np.zeros((1, 6), np.float32))
    np.testing.assert_array_equal(outputs, np.broadcast_to(bias, (1, 2, 2, 3)))


def test_stored_kernel_is_standard_normal_whatever_the_gain():
    layer = EqualizedDense(256, gain=0.1, seed=0)
    layer.build((None, 128))
    kernel = layer.kernel.value.numpy()
    assert kernel.mean() == pytest.approx(0, abs=0.03)
    assert kernel.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("units", [0, (), (4, 0)])
def test_wrong_units(units):
    with pytest.raises(ValueError, match="`units` must be"):
        EqualizedDense(units)


def test_wrong_activation():
    with pytest.raises(ValueError, match=r"`activation` must be .* Received: relu"):
        EqualizedDense(1, activation="relu")


def test_wrong_gain():
    with pytest.raises(ValueError, match=r"`gain` must be positive. Received: -1"):
        EqualizedDense(1, gain=-1)


def test_wrong_input():
    with pytest.raises(ValueError, match="known number of features"):
        EqualizedDense(1).build((None, None))
