from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.training.replicated_adam import ReplicatedAdam

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
