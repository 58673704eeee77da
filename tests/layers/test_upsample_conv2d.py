from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.layers import UpsampleConv2D
from gastritis_gan.layers.cpu import winograd
from tests.helpers.layer_checks import check_layer
from tests.helpers.numpy_oracles import equalized_conv2d, repeat_pixels


def test_layer(normal, tmp_path):
    check_layer(
        UpsampleConv2D(3, 3, gain=1.5, activation="leaky_relu", seed=2),
        normal(2, 5, 4, 6),
        expected_shape=(2, 10, 8, 3),
        num_weights=2,
        folder=tmp_path,
    )


@pytest.mark.parametrize(
    ("training", "fewest_channels"), [(False, 64), (True, 64), (True, 1)]
)
def test_equals_repeating_pixels_and_convolving(
    normal, monkeypatch, training, fewest_channels
):
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", fewest_channels)
    x, kernel = normal(2, 6, 4, 6), normal(3, 3, 6, 3)
    bias = normal(3)
    layer = UpsampleConv2D(3, 3, gain=1.5)
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    expected = equalized_conv2d(repeat_pixels(x), kernel, bias, 1.5)
    np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)


def test_other_kernels_are_refused():
    with pytest.raises(ValueError, match=r"`kernel_size` must be 3. Received: 4"):
        UpsampleConv2D(1, 4)
