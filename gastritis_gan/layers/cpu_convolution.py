"""The functions of `convolution` for training on a CPU, differentiable twice.

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
from typing import Any

import tensorflow as tf

from gastritis_gan.layers import winograd
from gastritis_gan.layers.convolution import (
    HALVING,
    LEAKY_RELU_SLOPE,
    SAME,
    Geometry,
)

_Function = Callable[..., Any]


def is_faster(dtype: str) -> bool:
    """Returns whether these functions beat the plain ones: float32, without a GPU."""
    return dtype == "float32" and not tf.config.get_visible_devices("GPU")


def convolve(
    images: Any,
    kernel: Any,
    bias: Any = None,
    geometry: Geometry = SAME,
    *,
    rectified: bool = False,
) -> tf.Tensor:
    """See `convolution.convolve`."""
    if bias is None:
        return add_bias(_convolve(images, kernel, geometry), None, rectified=rectified)
    # tf.custom_gradient has its own way with variables.
    bias = tf.convert_to_tensor(bias)
    if geometry == SAME and winograd.is_faster(images.shape, kernel.shape):
        return winograd.convolve(images, kernel, bias, rectified=rectified)

    @tf.custom_gradient
    def function(
        images: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, _Function]:
        # One operation after the other, so that the graph's optimizer merges them.
        outputs = tf.nn.bias_add(_conv2d(images, kernel, geometry), bias)
        if rectified:
            outputs = tf.nn.leaky_relu(outputs, LEAKY_RELU_SLOPE)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            if rectified:
                upstream = _times_slopes(upstream, outputs)
            return (
                _transpose(upstream, kernel, tf.shape(images), geometry),
                _kernel_gradient(images, upstream, kernel.shape, geometry),
                tf.reduce_sum(upstream, axis=(0, 1, 2)),
            )

        return outputs, gradient

    return function(images, kernel, bias)


def convolve_transposed(images: Any, kernel: Any, geometry: Geometry) -> tf.Tensor:
    """See `convolution.convolve_transposed`; valid padding."""
    batch, height, width, _ = tf.unstack(tf.shape(images))
    sizes = [
        (count - 1) * geometry.stride + size
        for count, size in zip((height, width), kernel.shape[:2], strict=True)
    ]
    return _transpose(images, kernel, (batch, *sizes, kernel.shape[2]), geometry)


def convolve_halving(
    images: Any, kernel: Any, bias: Any, *, rectified: bool
) -> tf.Tensor:
    """See `convolution.convolve_halving`."""
    if bias is not None and winograd.is_faster(images.shape, kernel.shape):
        bias = tf.convert_to_tensor(bias)
        return winograd.convolve_halving(images, kernel, bias, rectified=rectified)
    means = average_padded(images)
    return convolve(means, kernel, bias, HALVING, rectified=rectified)


def convolve_halving_transposed(images: Any, kernel: Any) -> tf.Tensor:
    """See `convolution.convolve_halving_transposed`."""
    batch, height, width, _ = images.shape
    shape = tf.TensorShape((batch, 2 * height, 2 * width, kernel.shape[2]))
    if winograd.is_faster(shape, kernel.shape):
        return winograd.convolve_halving_transposed(images, kernel)
    return average_neighbours(convolve_transposed(images, kernel, HALVING))


def add_bias(images: Any, bias: Any, *, rectified: bool) -> tf.Tensor:
    """See `convolution.add_bias`."""
    outputs = images if bias is None else tf.nn.bias_add(images, bias)
    return _rectify(outputs) if rectified else outputs


@tf.custom_gradient
def average_neighbours(images: Any) -> tuple[tf.Tensor, _Function]:
    """See `convolution.average_neighbours`."""
    return tf.nn.avg_pool2d(images, 2, 1, "VALID"), average_padded


@tf.custom_gradient
def average_padded(images: Any) -> tuple[tf.Tensor, _Function]:
    """See `convolution.average_padded`."""
    padded = tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return tf.nn.avg_pool2d(padded, 2, 1, "VALID"), average_neighbours


def _convolve(images: Any, kernel: Any, geometry: Geometry) -> tf.Tensor:
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
    images: Any, kernel: Any, image_shape: Any, geometry: Geometry
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
    geometry: Geometry,
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
    geometry: Geometry,
) -> tf.Tensor:
    *sizes, inputs, outputs = kernel_shape
    if sizes == [1, 1] and geometry == SAME:
        product = tf.matmul(
            tf.reshape(images, (-1, inputs)),
            tf.reshape(upstream, (-1, outputs)),
            transpose_a=True,
        )
        return tf.reshape(product, kernel_shape)
    return _compiled_kernel_gradient(tuple(kernel_shape), geometry)(images, upstream)


@functools.cache
def _compiled_kernel_gradient(
    kernel_shape: tuple[int, ...], geometry: Geometry
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


def _conv2d(images: tf.Tensor, kernel: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    return tf.nn.conv2d(images, kernel, geometry.stride, geometry.padding.upper())


@tf.custom_gradient
def _rectify(images: tf.Tensor) -> tuple[tf.Tensor, _Function]:
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
