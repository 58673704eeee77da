"""Pixelwise feature vector normalization."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gastritis_gan")
class PixelNormalization(keras.layers.Layer):
    """Scales the feature vector of every pixel to unit mean square.

    Args:
        epsilon: Positive float added to the mean square.

    Input and output shape: `(batch, ..., channels)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 4.2.
    """

    def __init__(self, *, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if epsilon <= 0:
            raise ValueError(f"`epsilon` must be positive. Received: {epsilon}")
        self.epsilon = epsilon

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, "float32")  # 1e-8 is 0 in float16
        mean_square = ops.mean(ops.square(x), axis=-1, keepdims=True)  # [N, ..., 1]
        return ops.cast(x * ops.rsqrt(mean_square + self.epsilon), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
