"""Scaling by two, as functions of tensors that can be differentiated twice."""

from __future__ import annotations

from typing import Any

from keras import ops


def upsample_nearest(images: Any) -> Any:
    """Doubles height and width by repeating every pixel.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`.

    Returns:
        Tensor of shape `(batch, 2 * height, 2 * width, channels)`.
    """
    return ops.repeat(ops.repeat(images, 2, axis=1), 2, axis=2)


def downsample_mean(images: Any) -> Any:
    """Halves height and width by averaging 2 x 2 pixels.

    Args:
        images: Tensor of shape `(batch, height, width, channels)`; height and width
            even.

    Returns:
        Tensor of shape `(batch, height / 2, width / 2, channels)`.
    """
    return ops.average_pool(images, 2, strides=2, data_format="channels_last")


def spread_kernel(kernel: Any) -> Any:
    """Returns the sum of a kernel's four shifts by 0 or 1 pixel down and right.

    Convolving with it at stride 2 is convolving with the kernel and then adding up 2 x
    2 pixels; transposed, it is repeating pixels and then convolving.

    Args:
        kernel: Tensor of shape `(height, width, inputs, outputs)`.

    Returns:
        Tensor of shape `(height + 1, width + 1, inputs, outputs)`.
    """
    kernel = _shift(kernel, ((0, 1), (0, 0))) + _shift(kernel, ((1, 0), (0, 0)))
    return _shift(kernel, ((0, 0), (0, 1))) + _shift(kernel, ((0, 0), (1, 0)))


def _shift(kernel: Any, spatial_padding: tuple[tuple[int, int], ...]) -> Any:
    return ops.pad(kernel, (*spatial_padding, (0, 0), (0, 0)))
