"""Upsampling and convolution in one operation."""

from __future__ import annotations

from typing import Any

import keras

from gastritis_gan.layers.backend import Backend
from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D


@keras.saving.register_keras_serializable(package="gastritis_gan")
class UpsampleConv2D(EqualizedConv2D):
    """Repeats every pixel 2 x 2 times, then applies an `EqualizedConv2D`, at once.

    Arguments and weights are those of `EqualizedConv2D`; `kernel_size` must be 3.

    Input shape: `(batch, height, width, channels)`.
    Output shape: `(batch, 2 * height, 2 * width, filters)`.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        if kernel_size != 3:
            raise ValueError(f"`kernel_size` must be 3. Received: {kernel_size}")

    def _convolve(self, backend: Backend, inputs: Any, kernel: Any) -> Any:
        return backend.upsample_conv2d(
            inputs, kernel, self.bias, activation=self.activation
        )
