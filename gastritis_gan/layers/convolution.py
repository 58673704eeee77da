"""Convolution, bias and leaky ReLU in plain operations, for inference and for GPUs.

`cpu_convolution` has the same functions for training on a CPU.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from keras import ops

LEAKY_RELU_SLOPE = 0.2


class Geometry(NamedTuple):
    """How a kernel moves.

    Attributes:
        stride: In pixels.
        padding: With zeros, as Keras names it.
    """

    stride: int = 1
    padding: Literal["same", "valid"] = "same"


SAME = Geometry()
HALVING = Geometry(stride=2, padding="valid")


def convolve(
    images: Any,
    kernel: Any,
    bias: Any = None,
    geometry: Geometry = SAME,
    *,
    rectified: bool = False,
) -> Any:
    """Convolves, adds the bias if there is one, and applies the leaky ReLU if asked.

    Args:
        images: `(batch, height, width, inputs)`.
        kernel: `(height, width, inputs, outputs)`.
        bias: `(outputs,)` or None.
        geometry: How the kernel moves.
        rectified: Whether to apply the leaky ReLU.
    """
    outputs = ops.conv(images, kernel, *geometry, data_format="channels_last")
    return add_bias(outputs, bias, rectified=rectified)


def convolve_transposed(images: Any, kernel: Any, geometry: Geometry) -> Any:
    """Applies the transpose of a convolution with this kernel and geometry.

    Args:
        images: `(batch, height, width, outputs)`, as that convolution's results.
        kernel: `(height, width, inputs, outputs)`, as that convolution's.
        geometry: Of that convolution.

    Returns:
        `(batch, ..., inputs)`; where that convolution would leave pixels out, the
        smallest images of which it makes `images`.
    """
    return ops.conv_transpose(images, kernel, *geometry, data_format="channels_last")


def convolve_halving(images: Any, kernel: Any, bias: Any, *, rectified: bool) -> Any:
    """Convolves, takes the mean of every 2 x 2 pixels, then does as `convolve`.

    The mean of four neighbouring outputs of a convolution is one output for the means
    of four neighbouring inputs: so these are taken first, and a convolution of stride 2
    remains, with a quarter of the multiplications.

    Args:
        images: `(batch, height, width, inputs)`; height and width even.
        kernel: `(3, 3, inputs, outputs)`.
        bias: As of `convolve`.
        rectified: As of `convolve`.

    Returns:
        `(batch, height / 2, width / 2, outputs)`.
    """
    means = average_padded(images)  # [N, H + 1, W + 1, C]
    return convolve(means, kernel, bias, HALVING, rectified=rectified)


def convolve_halving_transposed(images: Any, kernel: Any) -> Any:
    """Applies the transpose of `convolve_halving` without bias and leaky ReLU.

    Args:
        images: `(batch, height, width, outputs)`.
        kernel: As of `convolve_halving`.

    Returns:
        `(batch, 2 * height, 2 * width, inputs)`.
    """
    spread = convolve_transposed(images, kernel, HALVING)  # [N, 2H + 1, 2W + 1, C]
    return average_neighbours(spread)


def add_bias(images: Any, bias: Any, *, rectified: bool) -> Any:
    """Adds a bias `(channels,)`, unless None, and applies the leaky ReLU if asked."""
    outputs = images if bias is None else ops.add(images, bias)
    return ops.leaky_relu(outputs, LEAKY_RELU_SLOPE) if rectified else outputs


def average_neighbours(images: Any) -> Any:
    """Returns the mean of every 2 x 2 pixels, one row and one column fewer."""
    return ops.average_pool(images, 2, strides=1, data_format="channels_last")


def average_padded(images: Any) -> Any:
    """Returns the same of images with zeros around, so one row and column more.

    It is the transpose of `average_neighbours`.
    """
    return average_neighbours(ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))))
