"""Dense layer with an equalized learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from gastritis_gan.layers.backend import choose_backend
from gastritis_gan.layers.equalized_layer import EqualizedLayer


@keras.saving.register_keras_serializable(package="gastritis_gan")
class EqualizedDense(EqualizedLayer):
    """Dense layer: `activation((scale inputs) kernel + bias)`.

    Args:
        units: Shape of the output of one sample: an int, or several ints of which the
            last counts feature maps. Each entry of the last axis has one bias.
        **kwargs: `gain`, `use_bias`, `activation` and `seed` of `EqualizedLayer`.

    Input shape: `(batch, features)`.
    Output shape: `(batch, units)` or `(batch, *units)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 4.1.
    """

    def __init__(self, units: int | Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        shape = (units,) if isinstance(units, int) else tuple(units)
        if not shape or min(shape) < 1:
            raise ValueError(
                f"`units` must be one or more ints of at least 1. Received: {units}"
            )
        self.units = units if isinstance(units, int) else shape
        self._sample_shape = shape

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                "The input must have the shape (batch, features) with a known number "
                f"of features. Received: input_shape={input_shape}"
            )
        features = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: features})
        self.add_weights(
            (features, math.prod(self._sample_shape)), self._sample_shape[-1]
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        outputs = ops.matmul(inputs * self.scale, self.kernel)
        outputs = ops.reshape(outputs, (-1, *self._sample_shape))
        backend = choose_backend(self.compute_dtype, training=training)
        return backend.bias_act(outputs, self.bias, activation=self.activation)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
