from __future__ import annotations

import pytest
import tensorflow as tf

from gastritis_gan.ema import update_ema


def test_average_keeps_its_share():
    average, weight = tf.Variable([10.0, 0.0]), tf.Variable([20.0, 8.0])
    update_ema([average], [weight], decay=0.75)
    assert average.numpy().tolist() == [12.5, 2.0]
    assert weight.numpy().tolist() == [20.0, 8.0]
    update_ema([average], [weight], decay=0.0)
    assert average.numpy().tolist() == [20.0, 8.0]


def test_every_average_has_a_weight():
    with pytest.raises(ValueError, match="shorter"):
        update_ema([tf.Variable(0.0)], [], decay=0.5)
