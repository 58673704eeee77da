"""The equalized learning rate, which convolution and dense layers share."""

from __future__ import annotations

import math
from typing import Any

import keras

from gastritis_gan.layers.convolution import Activation


class EqualizedLayer(keras.layers.Layer):
    """Base of the layers whose kernel is from N(0, 1) and scaled at run time.

    The kernel in use is the stored one times `scale` = `gain / sqrt(fan_in)`, so that
    an optimizer that normalizes gradients, like Adam, moves every layer equally fast.
    The bias is not scaled.

    Args:
        gain: Positive number; sqrt(2) is He's constant, 1 suits a linear output.
        use_bias: Whether to add one bias per output channel, initially 0.
        activation: `"leaky_relu"`, of slope 0.2 for negative values, or None.
        seed: Integer; the same seed gives the same initial kernel. None draws a new
            one.

    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 4.1.
    """

    def __init__(
        self,
        *,
        gain: float = math.sqrt(2),
        use_bias: bool = True,
        activation: Activation = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if gain <= 0:
            raise ValueError(f"`gain` must be positive. Received: {gain}")
        if activation not in ("leaky_relu", None):
            raise ValueError(
                f'`activation` must be "leaky_relu" or None. Received: {activation}'
            )
        self.gain = float(gain)  # a NumPy float64 would make the kernel float64
        self.use_bias = use_bias
        self.activation = activation
        self.seed = seed

    def add_weights(self, kernel_shape: tuple[int, ...], num_biases: int) -> None:
        """Adds kernel and bias, and sets `scale`.

        Args:
            kernel_shape: Of all but the last entry the product is the fan-in.
            num_biases: Number of output channels.
        """
        self.kernel = self.add_weight(
            name="kernel",
            shape=kernel_shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
        )
        self.bias = (
            self.add_weight(name="bias", shape=(num_biases,), initializer="zeros")
            if self.use_bias
            else None
        )
        self.scale = self.gain / math.sqrt(math.prod(kernel_shape[:-1]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "use_bias": self.use_bias,
            "activation": self.activation,
            "seed": self.seed,
        }
