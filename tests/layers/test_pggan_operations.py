"""Single operations of the original PGGAN (see tests/reference)."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from gastritis_gan.layers import (
    DownsampleConv2D,
    EqualizedConv2D,
    EqualizedDense,
    MinibatchStdDev,
    PixelNormalization,
    UpsampleConv2D,
)
from gastritis_gan.layers.backend import choose_backend
from gastritis_gan.layers.resampling import downsample_mean, upsample_nearest
from gastritis_gan.training.losses import fade_real_images
from tests.helpers.pggan_case import read_golden, read_reference

ATOL = 2e-5


@pytest.fixture(scope="module", params=["golden", "large"])
def arrays(request):
    if request.param == "golden":
        return read_golden()
    path = request.getfixturevalue("shared_dir") / "reference/pggan_reference.npz"
    return read_reference(path)


def with_kernel(layer, arrays, name):
    layer.build(arrays[f"ops/{name}/in"].shape)
    layer.set_weights([arrays[f"ops/{name}/w"]])
    return layer


def check(arrays, name, function, output="out"):
    np.testing.assert_allclose(
        function(arrays[f"ops/{name}/in"]),
        arrays[f"ops/{name}/{output}"],
        rtol=0,
        atol=ATOL,
    )


@pytest.mark.parametrize("name", ["pixel_norm", "pixel_norm_latent", "pixel_norm_zero"])
def test_pixel_normalization(arrays, name):
    check(arrays, name, PixelNormalization())


@pytest.mark.parametrize("batch_group", ["8_4", "4_4", "3_4", "2_4", "8_16", "16_4"])
def test_minibatch_std_dev(arrays, batch_group):
    batch, group_size = batch_group.split("_")
    layer = MinibatchStdDev(group_size=int(group_size))
    check(arrays, f"mbstd_b{batch}_g{group_size}", layer)


@pytest.mark.parametrize("name", ["conv3x3", "conv1x1_gain1"])
def test_equalized_conv2d(arrays, name):
    def convolve(x):
        kernel, gain = arrays[f"ops/{name}/w"], float(arrays[f"ops/{name}/gain"])
        layer = EqualizedConv2D(9, len(kernel), gain=gain, use_bias=False)
        return with_kernel(layer, arrays, name)(x)

    check(arrays, name, convolve)


def test_equalized_dense(arrays):
    gain = float(arrays["ops/dense/gain"])
    layer = EqualizedDense(5, gain=gain, use_bias=False)
    check(arrays, "dense", with_kernel(layer, arrays, "dense"))


def test_upsample_conv2d(arrays):
    layer = UpsampleConv2D(9, 3, use_bias=False)
    check(arrays, "upscale_conv", with_kernel(layer, arrays, "upscale_conv"))


def test_downsample_conv2d(arrays):
    layer = DownsampleConv2D(9, 3, use_bias=False)
    check(arrays, "conv_downscale", with_kernel(layer, arrays, "conv_downscale"))


def test_resampling(arrays):
    check(arrays, "upscale2d", upsample_nearest)
    check(arrays, "upscale2d", lambda x: upsample_nearest(upsample_nearest(x)), "out4")
    check(arrays, "downscale2d", downsample_mean)
    check(arrays, "downscale2d", lambda x: downsample_mean(downsample_mean(x)), "out4")


@pytest.mark.parametrize("training", [False, True])
def test_leaky_relu(arrays, training):
    backend = choose_backend("float32", training=training)
    leaky_relu = functools.partial(backend.bias_act, bias=None, activation="leaky_relu")
    check(arrays, "leaky_relu", leaky_relu)


@pytest.mark.parametrize(("lod", "alpha"), [("0", 1), ("0.25", 0.75), ("1.5", 0.5)])
def test_fading_of_real_images(arrays, lod, alpha):
    pixels = arrays["ops/process_reals/in"]
    expected = arrays[f"ops/process_reals/lod{lod}"]
    repeats = expected.shape[1] // pixels.shape[1]  # to the final resolution
    images = tf.constant(pixels / 127.5 - 1, tf.float32)
    actual = fade_real_images(images, tf.constant(alpha, tf.float32))
    np.testing.assert_allclose(
        actual, expected[:, ::repeats, ::repeats], rtol=0, atol=ATOL
    )
