"""Convolution with an equalized learning rate."""

from __future__ import annotations

from typing import Any

import keras

from gastritis_gan.layers.backend import Backend, choose_backend
from gastritis_gan.layers.equalized_layer import EqualizedLayer


@keras.saving.register_keras_serializable(package="gastritis_gan")
class EqualizedConv2D(EqualizedLayer):
    """2D convolution of stride 1: `activation(inputs * (scale kernel) + bias)`.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel in pixels. The edge is padded with
            zeros.
        **kwargs: `gain`, `use_bias`, `activation` and `seed` of `EqualizedLayer`.

    Input shape: `(batch, height, width, channels)`.
    Output shape: `(batch, height, width, filters)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 4.1.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for argument, value in (("filters", filters), ("kernel_size", kernel_size)):
            if value < 1:
                raise ValueError(f"`{argument}` must be at least 1. Received: {value}")
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "The input must have the shape (batch, height, width, channels) with a "
                f"known number of channels. Received: input_shape={input_shape}"
            )
        channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        self.add_weights(
            (self.kernel_size, self.kernel_size, channels, self.filters), self.filters
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        backend = choose_backend(self.compute_dtype, training=training)
        return self._convolve(backend, inputs, self.kernel * self.scale)

    def _convolve(self, backend: Backend, inputs: Any, kernel: Any) -> Any:
        return backend.conv2d(inputs, kernel, self.bias, activation=self.activation)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
        }
