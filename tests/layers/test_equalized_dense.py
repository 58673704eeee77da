from __future__ import annotations

import keras
import numpy as np
import pytest

from gastritis_gan.layers import EqualizedDense
from tests.layers.layer_checks import check_layer


@pytest.mark.parametrize("units", [3, (4, 4, 2)])
def test_layer(normal, tmp_path, units):
    shape = (2, units) if isinstance(units, int) else (2, *units)
    check_layer(
        EqualizedDense(units, gain=1.5, seed=2),
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


def test_wrong_gain():
    with pytest.raises(ValueError, match=r"`gain` must be positive. Received: -1"):
        EqualizedDense(1, gain=-1)


def test_wrong_input():
    with pytest.raises(ValueError, match="known number of features"):
        EqualizedDense(1).build((None, None))
