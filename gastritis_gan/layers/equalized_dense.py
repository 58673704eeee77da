"""Dense layer with an equalized learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from gastritis_gan.layers import convolution, cpu_convolution


@keras.saving.register_keras_serializable(package="gastritis_gan")
class EqualizedDense(keras.layers.Layer):
    """Dense layer with a kernel from N(0, 1) that is scaled at run time.

    The kernel in use is the stored one times `gain / sqrt(fan_in)`; the bias is not
    scaled.

    Args:
        units: Shape of the output of one sample: an int, or several ints of which the
            last counts feature maps. Each entry of the last axis has one bias.
        gain: Positive number; sqrt(2) is He's constant, 1 suits a linear output.
        use_bias: Whether to add a bias, initially 0.
        activation: `"leaky_relu"`, of slope 0.2 for negative values, or None.
        seed: Integer; the same seed gives the same initial kernel. None draws a new
            one.

    Input shape: `(batch, features)`.
    Output shape: `(batch, units)` or `(batch, *units)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 4.1.
    """

    def __init__(
        self,
        units: int | Sequence[int],
        *,
        gain: float = math.sqrt(2),
        use_bias: bool = True,
        activation: Literal["leaky_relu"] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        shape = (units,) if isinstance(units, int) else tuple(units)
        if not shape or min(shape) < 1:
            raise ValueError(
                f"`units` must be one or more ints of at least 1. Received: {units}"
            )
        if gain <= 0:
            raise ValueError(f"`gain` must be positive. Received: {gain}")
        if activation not in ("leaky_relu", None):
            raise ValueError(
                f'`activation` must be "leaky_relu" or None. Received: {activation}'
            )
        self.units = units if isinstance(units, int) else shape
        self.gain = float(gain)  # a NumPy float64 would make the kernel float64
        self.use_bias = use_bias
        self.activation = activation
        self.seed = seed
        self._sample_shape = shape

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                "The input must have the shape (batch, features) with a known number "
                f"of features. Received: input_shape={input_shape}"
            )
        features = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: features})
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, math.prod(self._sample_shape)),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=self._sample_shape[-1:], initializer="zeros"
            )
        self._scale = self.gain / math.sqrt(features)

    def call(self, inputs: Any, training: bool = False) -> Any:
        outputs = ops.matmul(inputs * self._scale, self.kernel)
        outputs = ops.reshape(outputs, (-1, *self._sample_shape))
        is_fast = training and cpu_convolution.is_faster(self.compute_dtype)
        functions = cpu_convolution if is_fast else convolution
        bias = self.bias if self.use_bias else None
        is_rectified = self.activation is not None
        return functions.add_bias(outputs, bias, rectified=is_rectified)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "gain": self.gain,
            "use_bias": self.use_bias,
            "activation": self.activation,
            "seed": self.seed,
        }
