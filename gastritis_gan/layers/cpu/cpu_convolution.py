"""The functions of `layers.convolution` for training on a CPU, differentiable twice.

The results are the same; the gradients are computed in ways that suit a CPU:

- Wide convolutions of 3 x 3 pixels need a quarter of the multiplications (`winograd`).
  The following is for all others.
- TensorFlow's kernel for the gradient of weights is its slowest, and slower the larger
  the images are. XLA compiles the same sum to several times the speed; for kernels of
  one pixel it is a matrix product.
- The slope of the leaky ReLU is read from its output, which has the sign of its input.
  Nothing else needs the input, so TensorFlow computes convolution, bias and leaky ReLU
  in one pass.
- The means of neighbours, with and without a border of zeros, are each other's
  transpose.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from gastritis_gan.layers.convolution import (
    LEAKY_RELU_SLOPE,
    Activation,
    transposed_kernel,
)
from gastritis_gan.layers.cpu import winograd

_Function = Callable[..., Any]


class _Geometry(NamedTuple):
    """How a kernel moves: the stride in pixels, the padding as Keras names it."""

    stride: int
    padding: Literal["same", "valid"]


_SAME = _Geometry(stride=1, padding="same")
_HALVING = _Geometry(stride=2, padding="valid")


def conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation = None
) -> tf.Tensor:
    """See `layers.convolution.conv2d`."""
    if bias is None:
        outputs = _convolve(images, kernel, _SAME)
        return bias_act(outputs, None, activation=activation)
    # tf.custom_gradient has its own way with variables.
    bias = tf.convert_to_tensor(bias)
    if winograd.is_faster(images.shape, kernel.shape):
        return winograd.conv2d(images, kernel, bias, activation=activation)
    return _convolve_and_act(images, kernel, bias, _SAME, activation)


def downsample_conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation = None
) -> tf.Tensor:
    """See `layers.convolution.downsample_conv2d`."""
    if bias is None:
        outputs = _convolve(_average_padded(images), kernel, _HALVING)
        return bias_act(outputs, None, activation=activation)
    bias = tf.convert_to_tensor(bias)
    if winograd.is_faster(images.shape, kernel.shape):
        return winograd.downsample_conv2d(images, kernel, bias, activation=activation)
    means = _average_padded(images)
    return _convolve_and_act(means, kernel, bias, _HALVING, activation)


def upsample_conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation = None
) -> tf.Tensor:
    """See `layers.convolution.upsample_conv2d`."""
    transposed = transposed_kernel(kernel)
    batch, height, width, _ = images.shape
    channels = transposed.shape[2]
    doubled_shape = tf.TensorShape((batch, 2 * height, 2 * width, channels))
    if winograd.is_faster(doubled_shape, transposed.shape):
        outputs = winograd.transposed_downsample_conv2d(images, transposed)
    else:
        batch, height, width, _ = tf.unstack(tf.shape(images))
        spread_shape = (batch, 2 * height + 1, 2 * width + 1, channels)
        spread = _transpose(images, transposed, spread_shape, _HALVING)
        outputs = _average_neighbours(spread)
    return bias_act(outputs, bias, activation=activation)


def bias_act(images: Any, bias: Any, *, activation: Activation = None) -> tf.Tensor:
    """See `layers.convolution.bias_act`."""
    outputs = images if bias is None else tf.nn.bias_add(images, bias)
    return _leaky_relu(outputs) if activation else outputs


def _convolve_and_act(
    images: Any, kernel: Any, bias: Any, geometry: _Geometry, activation: Activation
) -> tf.Tensor:
    @tf.custom_gradient
    def function(
        images: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, _Function]:
        # One operation after the other, so that the graph's optimizer merges them.
        outputs = tf.nn.bias_add(_conv2d(images, kernel, geometry), bias)
        if activation:
            outputs = tf.nn.leaky_relu(outputs, LEAKY_RELU_SLOPE)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            if activation:
                upstream = _times_slopes(upstream, outputs)
            return (
                _transpose(upstream, kernel, tf.shape(images), geometry),
                _kernel_gradient(images, upstream, kernel.shape, geometry),
                tf.reduce_sum(upstream, axis=(0, 1, 2)),
            )

        return outputs, gradient

    return function(images, kernel, bias)


@tf.custom_gradient
def _average_neighbours(images: Any) -> tuple[tf.Tensor, _Function]:
    """Returns the mean of every 2 x 2 pixels, one row and one column fewer."""
    return tf.nn.avg_pool2d(images, 2, 1, "VALID"), _average_padded


@tf.custom_gradient
def _average_padded(images: Any) -> tuple[tf.Tensor, _Function]:
    """The transpose of `_average_neighbours`: the same of images with zeros around."""
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return tf.nn.avg_pool2d(padded, 2, 1, "VALID"), _average_neighbours


def _convolve(images: Any, kernel: Any, geometry: _Geometry) -> tf.Tensor:
    @tf.custom_gradient
    def function(images: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (
                _transpose(upstream, kernel, tf.shape(images), geometry),
                _kernel_gradient(images, upstream, kernel.shape, geometry),
            )

        return _conv2d(images, kernel, geometry), gradient

    return function(images, kernel)


def _transpose(
    images: Any, kernel: Any, image_shape: Any, geometry: _Geometry
) -> tf.Tensor:
    """Returns what `_convolve` with images of `image_shape` has as gradient there."""

    @tf.custom_gradient
    def function(images: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (
                _convolve(upstream, kernel, geometry),
                _kernel_gradient(upstream, images, kernel.shape, geometry),
            )

        outputs = tf.nn.conv2d_transpose(
            images, kernel, image_shape, geometry.stride, geometry.padding.upper()
        )
        return outputs, gradient

    return function(images, kernel)


def _kernel_gradient(
    images: tf.Tensor,
    upstream: tf.Tensor,
    kernel_shape: tf.TensorShape,
    geometry: _Geometry,
) -> tf.Tensor:
    @tf.custom_gradient
    def function(images: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        def gradient(kernel: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (
                _transpose(upstream, kernel, tf.shape(images), geometry),
                _convolve(images, kernel, geometry),
            )

        outputs = _compute_kernel_gradient(images, upstream, kernel_shape, geometry)
        return outputs, gradient

    return function(images, upstream)


def _compute_kernel_gradient(
    images: tf.Tensor,
    upstream: tf.Tensor,
    kernel_shape: tf.TensorShape,
    geometry: _Geometry,
) -> tf.Tensor:
    *sizes, inputs, outputs = kernel_shape
    if sizes == [1, 1] and geometry == _SAME:
        product = tf.matmul(
            tf.reshape(images, (-1, inputs)),
            tf.reshape(upstream, (-1, outputs)),
            transpose_a=True,
        )
        return tf.reshape(product, kernel_shape)
    return _compiled_kernel_gradient(tuple(kernel_shape), geometry)(images, upstream)


@functools.cache
def _compiled_kernel_gradient(
    kernel_shape: tuple[int, ...], geometry: _Geometry
) -> _Function:
    def compute(images: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=images,
            filter_sizes=kernel_shape,
            out_backprop=upstream,
            strides=(1, geometry.stride, geometry.stride, 1),
            padding=geometry.padding.upper(),
        )

    compiled: _Function = tf.function(compute, jit_compile=True, autograph=False)
    return compiled


def _conv2d(images: tf.Tensor, kernel: tf.Tensor, geometry: _Geometry) -> tf.Tensor:
    return tf.nn.conv2d(images, kernel, geometry.stride, geometry.padding.upper())


@tf.custom_gradient
def _leaky_relu(images: tf.Tensor) -> tuple[tf.Tensor, _Function]:
    outputs = tf.nn.leaky_relu(images, LEAKY_RELU_SLOPE)
    return outputs, lambda upstream: _times_slopes(upstream, outputs)


def _times_slopes(upstream: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Returns the gradient of a leaky ReLU, given its output.

    The output counts as constant: the leaky ReLU is not curved.
    """

    @tf.custom_gradient
    def function(upstream: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        product = tf.raw_ops.LeakyReluGrad(
            gradients=upstream, features=outputs, alpha=LEAKY_RELU_SLOPE
        )
        return product, lambda again: _times_slopes(again, outputs)

    return function(upstream)
