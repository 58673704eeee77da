from __future__ import annotations

import keras
import numpy as np
import pytest

from gastritis_gan.layers import EqualizedConv2D
from tests.helpers.layer_checks import check_layer
from tests.helpers.numpy_oracles import equalized_conv2d


def test_layer(normal, tmp_path):
    check_layer(
        EqualizedConv2D(3, 3, gain=1.5, activation="leaky_relu", seed=2),
        normal(2, 5, 4, 6),
        expected_shape=(2, 5, 4, 3),
        num_weights=2,
        folder=tmp_path,
    )


@pytest.mark.parametrize(("kernel_size", "gain"), [(3, np.sqrt(2)), (1, 1.0), (4, 0.7)])
def test_equals_a_plain_convolution_with_a_scaled_kernel(normal, kernel_size, gain):
    x, kernel = normal(2, 6, 5, 4), normal(kernel_size, kernel_size, 4, 3)
    bias = normal(3)
    layer = EqualizedConv2D(3, kernel_size, gain=gain)
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    plain = keras.layers.Conv2D(3, kernel_size, padding="same")
    plain.build(x.shape)
    plain.set_weights([kernel * gain / np.sqrt(kernel_size**2 * 4), bias])
    np.testing.assert_allclose(layer(x), plain(x), atol=1e-5)
    np.testing.assert_allclose(
        layer(x), equalized_conv2d(x, kernel, bias, gain), atol=1e-5
    )


@pytest.mark.parametrize("training", [False, True])
def test_leaky_relu_follows_the_bias(training):
    layer = EqualizedConv2D(2, 1, gain=1.0, activation="leaky_relu")
    layer.build((1, 1, 2, 1))
    layer.set_weights([np.array([[[[1, -2]]]], np.float32), np.float32([0.5, -1])])
    outputs = layer(np.float32([[[[1], [-2]]]]), training=training)
    # Before: 1 and -2, then -2 and 4, plus the biases; negative ones count a fifth.
    np.testing.assert_allclose(outputs, [[[[1.5, -0.6], [-0.3, 3]]]], rtol=1e-6)


def test_he_gain_by_default_keeps_the_variance_of_rectified_features(normal):
    x = np.maximum(normal(4, 16, 16, 64), 0) * np.sqrt(2)  # unit mean square
    outputs = EqualizedConv2D(64, 3, seed=0)(x)[:, 1:-1, 1:-1]
    assert np.std(outputs) == pytest.approx(np.sqrt(2), rel=0.05)


def test_stored_kernel_is_standard_normal_whatever_the_gain():
    layer = EqualizedConv2D(64, 3, gain=0.1, seed=0)
    layer.build((None, None, None, 64))
    kernel = layer.kernel.value.numpy()  # 36,864 values
    assert kernel.mean() == pytest.approx(0, abs=0.03)
    assert kernel.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(layer.bias, np.zeros(64))


def test_seed_determines_the_kernel():
    kernels = []
    for seed in (1, 1, 2):
        layer = EqualizedConv2D(2, 3, seed=seed)
        layer.build((None, 8, 8, 2))
        kernels.append(layer.kernel.value.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_no_bias():
    layer = EqualizedConv2D(2, 3, use_bias=False)
    np.testing.assert_array_equal(layer(np.zeros((1, 4, 4, 1), np.float32)), 0)
    assert len(layer.weights) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, "`filters` must be at least 1. Received: 0"),
        ({"filters": 1, "kernel_size": 0}, "`kernel_size` must be at least 1"),
        ({"filters": 1, "kernel_size": 1, "gain": 0}, "`gain` must be positive"),
        (
            {"filters": 1, "kernel_size": 1, "activation": "relu"},
            '`activation` must be "leaky_relu" or None. Received: relu',
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        EqualizedConv2D(**arguments)


@pytest.mark.parametrize("shape", [(None, 4, 4), (None, 4, 4, None)])
def test_wrong_input(shape):
    with pytest.raises(ValueError, match="known number of channels"):
        EqualizedConv2D(1, 3).build(shape)
