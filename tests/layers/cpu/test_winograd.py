"""Values and gradients against TensorFlow's own convolution."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers.cpu import cpu_convolution, winograd
from tests.helpers.gradients import value_and_gradients


def plain(images, kernel, bias, *, activation=None):
    return activate(tf.nn.conv2d(images, kernel, 1, "SAME"), bias, activation)


def plain_halving(images, kernel, bias, *, activation=None):
    means = tf.nn.avg_pool2d(tf.nn.conv2d(images, kernel, 1, "SAME"), 2, 2, "VALID")
    return activate(means, bias, activation)


def activate(images, bias, activation):
    return tf.nn.leaky_relu(images + bias, 0.2) if activation else images + bias


CONVOLUTIONS = {
    "same": (winograd.conv2d, plain),
    "halving": (winograd.downsample_conv2d, plain_halving),
}


@pytest.mark.parametrize(
    ("name", "activation", "size"),
    [
        ("same", None, (8, 8)),
        ("same", "leaky_relu", (12, 32)),
        ("same", "leaky_relu", (4, 4)),
        ("halving", "leaky_relu", (8, 8)),
        ("halving", None, (12, 32)),
        ("halving", None, (4, 4)),
    ],
)
def test_value_and_gradients_of_both_orders(normal, name, activation, size):
    inputs = [normal(3, *size, 5), normal(3, 3, 5, 7), normal(7)]
    inputs = [tf.constant(x) for x in inputs]
    actual, expected = (
        value_and_gradients(lambda *x, f=f: f(*x, activation=activation), inputs)
        for f in CONVOLUTIONS[name]
    )
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4 * np.abs(e).max())


@pytest.mark.parametrize("size", [(4, 4), (6, 16), (2, 2)])
def test_value_and_gradients_of_both_orders_of_the_transpose(normal, size):
    def doubling(images, kernel):  # convolves pixels that are repeated
        mirrored = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
        repeated = tf.repeat(tf.repeat(images, 2, axis=1), 2, axis=2)
        return tf.nn.conv2d(repeated, mirrored, 1, "SAME") / 4

    inputs = [tf.constant(normal(3, *size, 7)), tf.constant(normal(3, 3, 5, 7))]
    actual, expected = (
        value_and_gradients(function, inputs)
        for function in (winograd.transposed_downsample_conv2d, doubling)
    )
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4 * np.abs(e).max())


def test_third_order(normal):
    x, bias = tf.constant(normal(1, 4, 4, 2)), tf.constant(normal(2))
    kernel = tf.constant(normal(3, 3, 2, 2))

    def gradient_of_gradient_norm(conv2d):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(kernel)
                outputs = conv2d(x, kernel, bias, activation="leaky_relu")
                total = tf.reduce_sum(tf.sin(outputs))
            norm = tf.reduce_sum(tf.square(inner.gradient(total, kernel)))
        return outer.gradient(norm, x)

    expected = gradient_of_gradient_norm(plain)
    np.testing.assert_allclose(
        gradient_of_gradient_norm(winograd.conv2d),
        expected,
        rtol=1e-3,
        atol=1e-4 * np.abs(expected).max(),
    )


def test_rounding_errors_stay_small_for_many_channels(normal):
    images, kernel = normal(2, 32, 32, 256), normal(3, 3, 256, 16)
    bias = normal(16)
    exact = plain(*(x.astype(np.float64) for x in (images, kernel, bias)))
    found = winograd.conv2d(
        *(tf.constant(x) for x in (images, kernel, bias)), activation=None
    )
    np.testing.assert_allclose(found, exact, rtol=0, atol=3e-5 * np.abs(exact).max())


@pytest.mark.parametrize(
    ("images", "kernel", "expected"),
    [
        ((None, 8, 8, 64), (3, 3, 64, 64), True),
        ((4, 64, 64, 512), (3, 3, 512, 64), True),
        ((4, 64, 64, 64), (1, 1, 64, 64), False),
        ((4, 64, 64, 64), (3, 3, 64, 32), False),
        ((4, 64, 64, 1), (3, 3, 1, 64), False),
        ((4, 4, 4, 65), (3, 3, 65, 64), True),
        ((4, 2, 4, 64), (3, 3, 64, 64), False),
        ((4, 256, 256, 64), (3, 3, 64, 64), True),
        ((4, 16, 10, 64), (3, 3, 64, 64), False),
        ((4, None, 16, 64), (3, 3, 64, 64), False),
    ],
)
def test_what_it_is_for(images, kernel, expected):
    shapes = tf.TensorShape(images), tf.TensorShape(kernel)
    assert winograd.is_faster(*shapes) == expected


@pytest.mark.parametrize(
    ("images", "kernel", "expected"),
    [
        ((1, 8, 8, 64), (3, 3, 64, 64), True),
        ((1, 16, 16, 64), (1, 1, 64, 3), False),
        ((1, 128, 128, 2), (3, 3, 2, 3), False),
    ],
)
def test_training_on_a_cpu_uses_it_where_it_is_faster(
    normal, monkeypatch, images, kernel, expected
):
    used = spied(monkeypatch, "conv2d")
    inputs = normal(*images), normal(*kernel), normal(kernel[-1])
    inputs = [tf.constant(x) for x in inputs]
    found = cpu_convolution.conv2d(*inputs, activation="leaky_relu")
    assert_close(found, plain(*inputs, activation="leaky_relu"))
    assert bool(used) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [((8, 4), True), ((6, 4), False), ((2, 2), False)]
)
def test_training_on_a_cpu_halves_and_doubles_by_it(
    normal, monkeypatch, size, expected
):
    halved = spied(monkeypatch, "downsample_conv2d")
    doubled = spied(monkeypatch, "transposed_downsample_conv2d")
    images, kernel, bias = normal(1, *size, 64), normal(3, 3, 64, 65), normal(65)
    found = cpu_convolution.downsample_conv2d(
        images, kernel, bias, activation="leaky_relu"
    )
    assert_close(found, plain_halving(images, kernel, bias, activation="leaky_relu"))
    half = normal(1, *(count // 2 for count in size), 64)
    found = cpu_convolution.upsample_conv2d(half, kernel, None)
    repeated = tf.repeat(tf.repeat(half, 2, axis=1), 2, axis=2)
    assert_close(found, tf.nn.conv2d(repeated, kernel, 1, "SAME"))
    assert bool(halved) == bool(doubled) == expected


def spied(monkeypatch, name):
    """Returns a list that grows whenever the function is called."""
    used, original = [], getattr(winograd, name)
    monkeypatch.setattr(
        winograd,
        name,
        lambda *inputs, **other: used.append(1) or original(*inputs, **other),
    )
    return used


def assert_close(found, expected):
    atol = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)
