from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training.gradient_norm import gradient_norm


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_norm_of_small_and_large_gradients(jit_compile):
    """A float64 sum of NumPy's; 16 parts, 16 x 16 parts, and sizes that have none."""
    rng = np.random.default_rng(3)
    shapes = [(), (5,), (3, 3, 65, 64), (512, 1024), (16_384,), (16_383,), (1, 16_400)]
    arrays = [rng.normal(size=shape).astype("float32") for shape in shapes]
    expected = np.sqrt(sum(np.sum(a.astype("float64") ** 2) for a in arrays))
    norm = tf.function(gradient_norm, jit_compile=jit_compile)
    actual = norm([tf.constant(a) for a in arrays])
    assert actual.dtype == tf.float32
    assert float(actual) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("size", [7, 32 * 1024])
def test_no_entry_is_left_out(size):
    ones = tf.ones(size)
    for index in (0, size // 2, size - 1):
        planted = tf.tensor_scatter_nd_update(ones, [[index]], [np.nan])
        assert np.isnan(float(gradient_norm([ones, planted])))
    assert float(gradient_norm([ones])) == pytest.approx(np.sqrt(size))
