"""Upsampling and convolution in one operation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D
from gastritis_gan.layers.resampling import spread_kernel


@keras.saving.register_keras_serializable(package="gastritis_gan")
class UpsampleConv2D(EqualizedConv2D):
    """Repeats every pixel 2 x 2 times, then applies an `EqualizedConv2D`, at once.

    Computed as one transposed convolution of stride 2, which for a 3 x 3 kernel needs
    2.25 times fewer multiplications. Arguments and weights are those of
    `EqualizedConv2D`; `kernel_size` must be odd.

    Input shape: `(batch, height, width, channels)`.
    Output shape: `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd. Received: {kernel_size}")

    def _convolve(self, inputs: Any, kernel: Any) -> Any:
        # A transposed convolution mirrors its kernel and wants [h, w, out, in].
        mirrored = ops.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
        return ops.conv_transpose(
            inputs,
            spread_kernel(mirrored),
            strides=2,
            padding="same",
            data_format="channels_last",
        )
