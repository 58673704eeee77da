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
