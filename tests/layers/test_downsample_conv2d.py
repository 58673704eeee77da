from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.layers import DownsampleConv2D
from gastritis_gan.layers.cpu import winograd
from tests.helpers.layer_checks import check_layer
from tests.helpers.numpy_oracles import equalized_conv2d, mean_of_2x2_pixels


def test_layer(normal, tmp_path):
    check_layer(
        DownsampleConv2D(3, 3, gain=1.5, activation="leaky_relu", seed=2),
        normal(2, 6, 4, 6),
        expected_shape=(2, 3, 2, 3),
        num_weights=2,
        folder=tmp_path,
    )


@pytest.mark.parametrize(
    ("training", "fewest_channels"), [(False, 64), (True, 64), (True, 1)]
)
def test_equals_convolving_and_averaging(
    normal, monkeypatch, training, fewest_channels
):
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", fewest_channels)
    x, kernel = normal(2, 4, 8, 6), normal(3, 3, 6, 3)
    bias = normal(3)
    layer = DownsampleConv2D(3, 3, gain=1.5)
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    expected = mean_of_2x2_pixels(equalized_conv2d(x, kernel, bias, 1.5))
    np.testing.assert_allclose(layer(x, training=training), expected, atol=1e-5)


def test_other_kernels_are_refused():
    with pytest.raises(ValueError, match=r"`kernel_size` must be 3. Received: 2"):
        DownsampleConv2D(1, 2)


def test_odd_image_is_refused():
    with pytest.raises(ValueError, match="Height and width must be even"):
        DownsampleConv2D(1, 3).build((None, 7, 8, 1))
