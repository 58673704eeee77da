from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.layers import PixelNormalization
from tests.helpers.layer_checks import check_layer
from tests.helpers.numpy_oracles import pixel_normalization


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 7)])
def test_layer(normal, tmp_path, shape):
    check_layer(
        PixelNormalization(epsilon=1e-6),
        normal(*shape),
        expected_shape=shape,
        num_weights=0,
        folder=tmp_path,
    )


def test_equals_the_formula(normal):
    x = normal(2, 3, 4, 5)
    np.testing.assert_allclose(
        PixelNormalization()(x), pixel_normalization(x), atol=1e-6
    )


def test_zero_stays_zero_also_in_half_precision():
    layer = PixelNormalization(dtype="mixed_float16")
    outputs = layer(np.zeros((1, 2, 2, 3), np.float32))
    np.testing.assert_array_equal(outputs, 0)


def test_large_half_precision_features_do_not_overflow():
    layer = PixelNormalization(dtype="mixed_float16")
    outputs = layer(np.full((1, 1, 1, 4), 1000, np.float32))  # 1000^2 > 65504
    np.testing.assert_allclose(outputs, 1, rtol=1e-3)


def test_wrong_epsilon():
    with pytest.raises(ValueError, match=r"`epsilon` must be positive. Received: 0"):
        PixelNormalization(epsilon=0)
