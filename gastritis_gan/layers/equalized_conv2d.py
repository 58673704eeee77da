"""Convolution with an equalized learning rate."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras

from gastritis_gan.layers import convolution, cpu_convolution


@keras.saving.register_keras_serializable(package="gastritis_gan")
class EqualizedConv2D(keras.layers.Layer):
    """2D convolution of stride 1 with a kernel from N(0, 1) that is scaled at run time.

    The kernel in use is the stored one times `gain / sqrt(fan_in)`, so that an
    optimizer that normalizes gradients, like Adam, moves every layer equally fast. The
    bias is not scaled.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel in pixels. The edge is padded with
            zeros.
        gain: Positive number; sqrt(2) is He's constant, 1 suits a linear output.
        use_bias: Whether to add one bias per output channel, initially 0.
        activation: `"leaky_relu"`, of slope 0.2 for negative values, or None.
        seed: Integer; the same seed gives the same initial kernel. None draws a new
            one.

    Input shape: `(batch, height, width, channels)`.
    Output shape: `(batch, height, width, filters)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 4.1.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        gain: float = math.sqrt(2),
        use_bias: bool = True,
        activation: Literal["leaky_relu"] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for argument, value in (("filters", filters), ("kernel_size", kernel_size)):
            if value < 1:
                raise ValueError(f"`{argument}` must be at least 1. Received: {value}")
        if gain <= 0:
            raise ValueError(f"`gain` must be positive. Received: {gain}")
        if activation not in ("leaky_relu", None):
            raise ValueError(
                f'`activation` must be "leaky_relu" or None. Received: {activation}'
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.gain = float(gain)  # a NumPy float64 would make the kernel float64
        self.use_bias = use_bias
        self.activation = activation
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "The input must have the shape (batch, height, width, channels) with a "
                f"known number of channels. Received: input_shape={input_shape}"
            )
        channels = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: channels})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, channels, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros"
            )
        self._scale = self.gain / math.sqrt(self.kernel_size**2 * channels)

    def call(self, inputs: Any, training: bool = False) -> Any:
        is_fast = training and cpu_convolution.is_faster(self.compute_dtype)
        return self._outputs(
            cpu_convolution if is_fast else convolution,
            inputs,
            self.kernel * self._scale,
            self.bias if self.use_bias else None,
        )

    def _outputs(self, functions: Any, inputs: Any, kernel: Any, bias: Any) -> Any:
        """Returns the outputs by one of the two modules that have the functions."""
        return functions.convolve(inputs, kernel, bias, rectified=self._is_rectified)

    @property
    def _is_rectified(self) -> bool:
        return self.activation is not None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "gain": self.gain,
            "use_bias": self.use_bias,
            "activation": self.activation,
            "seed": self.seed,
        }
