from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.ema import ema_decay, update_ema


def test_average_keeps_its_share():
    average, weight = tf.Variable([10.0, 0.0]), tf.Variable([20.0, 8.0])
    update_ema([average], [weight], decay=0.75)
    assert average.numpy().tolist() == [12.5, 2.0]
    assert weight.numpy().tolist() == [20.0, 8.0]
    update_ema([average], [weight], decay=0.0)
    assert average.numpy().tolist() == [20.0, 8.0]


def test_an_average_stays_where_the_condition_does_not_hold():
    average, weight = tf.Variable([0.1, np.pi]), tf.Variable([np.nan, 1e7])
    update_ema([average], [weight], decay=0.999, condition=tf.constant(False))
    assert average.numpy().tolist() == np.float32([0.1, np.pi]).tolist()


def test_every_average_has_a_weight():
    with pytest.raises(ValueError, match="shorter"):
        update_ema([tf.Variable(0.0)], [], decay=0.5)


def test_after_its_half_life_a_weight_counts_half():
    decay = ema_decay(1000, batch_size=8)
    assert decay ** (1000 / 8) == pytest.approx(0.5)


def test_the_default_half_life_is_a_thousandth_per_step_of_sixteen():
    assert ema_decay(11_000, batch_size=16) == pytest.approx(0.999, abs=1e-5)


def test_no_half_life_no_average():
    assert ema_decay(0, batch_size=8) == 0
