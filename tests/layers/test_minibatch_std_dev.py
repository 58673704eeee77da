from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers import MinibatchStdDev
from tests.helpers.layer_checks import check_layer
from tests.helpers.numpy_oracles import minibatch_std_dev


def test_layer(normal, tmp_path):
    check_layer(
        MinibatchStdDev(group_size=2, epsilon=1e-6),
        normal(4, 3, 3, 5),
        expected_shape=(4, 3, 3, 6),
        num_weights=0,
        folder=tmp_path,
    )


@pytest.mark.parametrize(
    ("batch", "group_size"), [(8, 4), (4, 4), (3, 4), (6, 3), (2, 1)]
)
def test_equals_loops_over_groups(normal, batch, group_size):
    x = normal(batch, 2, 3, 4) * np.arange(1, batch + 1).reshape(-1, 1, 1, 1)
    x = x.astype(np.float32)
    expected = minibatch_std_dev(x, group_size)
    layer = MinibatchStdDev(group_size=group_size)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, 2, 3, 4))])
    np.testing.assert_allclose(graph(x), expected, rtol=1e-5)


def test_no_group_crosses_the_border_of_a_set(normal):
    sets = [normal(4, 2, 3, 5), 9 * normal(4, 2, 3, 5), normal(4, 2, 3, 5) - 7]
    outputs = MinibatchStdDev(group_size=2)(np.concatenate(sets), num_sets=3)
    expected = np.concatenate([minibatch_std_dev(x, 2) for x in sets])
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)


def test_hand_worked_example():
    # Groups are samples (0, 2) and (1, 3): deviations of {0, 2} and {10, 16}.
    x = np.array([0, 10, 2, 16], np.float32).reshape(4, 1, 1, 1)
    outputs = MinibatchStdDev(group_size=2)(x)
    np.testing.assert_allclose(np.ravel(outputs[..., 1]), [1, 3, 1, 3], rtol=1e-6)


def test_identical_samples_give_nearly_zero_and_a_finite_gradient():
    x = tf.ones((4, 2, 2, 3))
    layer = MinibatchStdDev(group_size=4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        added = layer(x)[..., -1]
    np.testing.assert_allclose(added, 1e-4, rtol=1e-3)  # the root of epsilon
    assert np.isfinite(tape.gradient(added, x)).all()


def test_half_precision_counts_in_float32():
    x = np.linspace(0, 1e-3, 4, dtype=np.float32).reshape(4, 1, 1, 1)
    added = MinibatchStdDev(dtype="mixed_float16")(x)[..., -1]
    np.testing.assert_allclose(
        np.ravel(added), minibatch_std_dev(x, 4)[0, 0, 0, 1], rtol=2e-3
    )


def test_batch_that_does_not_split_is_refused():
    layer = MinibatchStdDev(group_size=4)
    with pytest.raises(ValueError, match="multiple of `group_size`=4"):
        layer(np.zeros((6, 2, 2, 1), np.float32))
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, 2, 2, 1))])
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(np.zeros((6, 2, 2, 1), np.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"group_size": 0}, "`group_size` must be at least 1. Received: 0"),
        ({"epsilon": 0}, "`epsilon` must be positive. Received: 0"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MinibatchStdDev(**arguments)
