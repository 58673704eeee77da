from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training.optimizer import (
    LossScale,
    ReplicatedAdam,
    gradient_norm,
    update_ema,
)

SETTINGS = [
    {"learning_rate": 0.001, "beta_1": 0.0, "beta_2": 0.99, "epsilon": 1e-8},
    {"learning_rate": 0.0002, "beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-7},
]


def variables():
    rng = np.random.default_rng(1)
    return [
        keras.Variable(rng.normal(size=shape).astype("float32"))
        for shape in [(3, 4), (5,)]
    ]


def gradients(number):
    rng = np.random.default_rng(number + 10)
    return [
        tf.constant(rng.normal(size=shape) * 10.0**number, tf.float32)
        for shape in [(3, 4), (5,)]
    ]


def built(optimizer_class, settings):
    weights = variables()
    optimizer = optimizer_class(**settings)
    optimizer.build(weights)
    return optimizer, weights


def values(optimizer, weights):
    return [np.asarray(v) for v in [*weights, *optimizer.variables]]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_its_steps_are_those_of_keras(settings, jit_compile):
    adam, weights = built(ReplicatedAdam, settings)
    of_keras, weights_of_keras = built(keras.optimizers.Adam, settings)

    @tf.function(jit_compile=jit_compile)
    def step(*gradients):
        adam.apply_if(tf.constant(True), gradients, weights)

    for number in range(-3, 3):
        step(*gradients(number))
        of_keras.apply(gradients(number), weights_of_keras)
    pairs = zip(values(adam, weights), values(of_keras, weights_of_keras), strict=True)
    for actual, expected in pairs:
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=1e-7)
    assert int(adam.iterations.numpy()) == 6


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("planted", [np.nan, np.inf, 1e30])
def test_a_step_that_is_not_to_be_done_changes_nothing(settings, jit_compile, planted):
    adam, weights = built(ReplicatedAdam, settings)
    step = tf.function(
        lambda condition, *gradients: adam.apply_if(condition, gradients, weights),
        jit_compile=jit_compile,
    )
    step(tf.constant(True), *gradients(0))
    before = values(adam, weights)
    step(tf.constant(False), tf.fill((3, 4), planted), gradients(1)[1])
    for value, expected in zip(values(adam, weights), before, strict=True):
        np.testing.assert_array_equal(value, expected)


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


def test_an_overflow_halves_and_two_thousand_good_steps_double():
    scale = LossScale()
    update = tf.function(scale.update)
    assert float(scale.value) == 2.0**15
    update(tf.constant(False))
    assert float(scale.value) == 2.0**14
    for _ in range(1999):
        update(tf.constant(True))
    assert float(scale.value) == 2.0**14
    update(tf.constant(True))
    assert float(scale.value) == 2.0**15


def test_an_overflow_starts_the_count_again():
    scale = LossScale()
    update = tf.function(scale.update)
    for _ in range(1999):
        update(tf.constant(True))
    update(tf.constant(False))
    for _ in range(1999):
        update(tf.constant(True))
    assert float(scale.value) == 2.0**14


def test_it_never_falls_below_one():
    scale = LossScale()
    for _ in range(20):
        scale.update(tf.constant(False))
    assert float(scale.value) == 1


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
