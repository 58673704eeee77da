from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers import FadeIn
from tests.helpers.layer_checks import check_layer


def test_layer(normal, tmp_path):
    check_layer(
        FadeIn(),
        normal(2, 4, 4, 3),
        normal(2, 4, 4, 3),
        expected_shape=(2, 4, 4, 3),
        num_weights=0,
        folder=tmp_path,
    )


def test_alpha_is_the_share_of_the_new_path():
    old, new = tf.constant([10.0]), tf.constant([20.0])
    fade_in = FadeIn()
    for alpha, expected in [(0.0, 10.0), (0.25, 12.5), (1.0, 20.0)]:
        assert fade_in([old, new], alpha=alpha)[0] == expected
        assert fade_in([old, new], alpha=tf.constant(alpha))[0] == expected


def test_one_graph_serves_every_alpha():
    fade_in = FadeIn()
    traces = []

    @tf.function
    def graph(old, new, alpha):
        traces.append(alpha)
        return fade_in([old, new], alpha=alpha)

    for alpha in (0.0, 0.3, 1.0):
        graph(tf.zeros((1, 1)), tf.ones((1, 1)), tf.constant(alpha))
    assert len(traces) == 1


def test_shapes_must_agree():
    with pytest.raises(
        ValueError, match=r"two tensors of one shape.*\(1, 2\), \(1, 1\)"
    ):
        FadeIn()([np.zeros((1, 2)), np.zeros((1, 1))], alpha=0.5)
