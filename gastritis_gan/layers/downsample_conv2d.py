"""Convolution and downsampling in one operation."""

from __future__ import annotations

from typing import Any

import keras

from gastritis_gan.layers.backend import Backend
from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D


@keras.saving.register_keras_serializable(package="gastritis_gan")
class DownsampleConv2D(EqualizedConv2D):
    """Applies an `EqualizedConv2D`, averages 2 x 2 pixels, and activates, at once.

    Bias and activation come after the mean. Arguments and weights are those of
    `EqualizedConv2D`; `kernel_size` must be 3.

    Input shape: `(batch, height, width, channels)`; height and width even.
    Output shape: `(batch, height / 2, width / 2, filters)`.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        if kernel_size != 3:
            raise ValueError(f"`kernel_size` must be 3. Received: {kernel_size}")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        if any(size is not None and size % 2 for size in input_shape[1:3]):
            raise ValueError(
                f"Height and width must be even. Received: input_shape={input_shape}"
            )

    def _convolve(self, backend: Backend, inputs: Any, kernel: Any) -> Any:
        return backend.downsample_conv2d(
            inputs, kernel, self.bias, activation=self.activation
        )
