"""Convolution, bias and activation in plain operations, for inference and for GPUs.

`layers.cpu.convolution` has the same functions for training on a CPU.
"""

from __future__ import annotations

from typing import Any, Literal

from keras import ops

Activation = Literal["leaky_relu"] | None

LEAKY_RELU_SLOPE = 0.2
_PIXELS_PER_MEAN = 4


def conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation = None
) -> Any:
    """Convolves with stride 1 and an edge of zeros, then adds bias and activates.

    Args:
        images: `(batch, height, width, inputs)`.
        kernel: `(size, size, inputs, outputs)`.
        bias: `(outputs,)` or None.
        activation: `"leaky_relu"` or None.

    Returns:
        `(batch, height, width, outputs)`.
    """
    outputs = ops.conv(images, kernel, 1, "same", data_format="channels_last")
    return bias_act(outputs, bias, activation=activation)


def downsample_conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation = None
) -> Any:
    """Convolves, takes the mean of every 2 x 2 pixels, then adds bias and activates.

    The mean of four neighbouring outputs of a convolution is one output for the means
    of four neighbouring inputs: so these are taken first, and a convolution of stride 2
    remains, with a quarter of the multiplications.

    Args:
        images: `(batch, height, width, inputs)`; height and width even.
        kernel: `(3, 3, inputs, outputs)`.
        bias: `(outputs,)` or None.
        activation: `"leaky_relu"` or None.

    Returns:
        `(batch, height / 2, width / 2, outputs)`.
    """
    padded = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    means = _average_neighbours(padded)  # [N, H + 1, W + 1, C]
    outputs = ops.conv(means, kernel, 2, "valid", data_format="channels_last")
    return bias_act(outputs, bias, activation=activation)


def upsample_conv2d(
    images: Any, kernel: Any, bias: Any, *, activation: Activation = None
) -> Any:
    """Repeats every pixel 2 x 2 times, convolves, then adds bias and activates.

    The transpose of `downsample_conv2d`: a transposed convolution of stride 2, then
    sums over 2 x 2 neighbours, with a quarter of the multiplications.

    Args:
        images: `(batch, height, width, inputs)`.
        kernel: `(3, 3, inputs, outputs)`.
        bias: `(outputs,)` or None.
        activation: `"leaky_relu"` or None.

    Returns:
        `(batch, 2 * height, 2 * width, outputs)`.
    """
    transposed = transposed_kernel(kernel)
    spread = ops.conv_transpose(
        images, transposed, 2, "valid", data_format="channels_last"
    )  # [N, 2H + 1, 2W + 1, C]
    return bias_act(_average_neighbours(spread), bias, activation=activation)


def bias_act(images: Any, bias: Any, *, activation: Activation = None) -> Any:
    """Adds a bias `(channels,)`, unless None, and applies the activation."""
    outputs = images if bias is None else ops.add(images, bias)
    return ops.leaky_relu(outputs, LEAKY_RELU_SLOPE) if activation else outputs


def transposed_kernel(kernel: Any) -> Any:
    """Returns the kernel whose transposed, halving convolution doubles with `kernel`.

    Args:
        kernel: `(3, 3, inputs, outputs)`.

    Returns:
        `(3, 3, outputs, inputs)`, mirrored, times the four pixels of a mean.
    """
    return _PIXELS_PER_MEAN * ops.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))


def _average_neighbours(images: Any) -> Any:
    """Returns the mean of every 2 x 2 pixels, one row and one column fewer."""
    return ops.average_pool(images, 2, strides=1, data_format="channels_last")
