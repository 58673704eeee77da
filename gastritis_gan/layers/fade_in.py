"""Smooth introduction of a new block."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gastritis_gan")
class FadeIn(keras.layers.Layer):
    """Blends the old path into the new one: `old + (new - old) * alpha`.

    Call it as `fade_in([old, new], alpha=alpha)`, where `alpha` is a scalar (a tensor
    while training, so that the graph serves the whole transition): 0 = old only, 1 =
    new only.

    Input shape: two tensors of one shape.
    Output shape: that shape.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), figure 2.
    """

    def call(self, inputs: Any, alpha: Any) -> Any:
        if len(inputs) != 2 or tuple(inputs[0].shape) != tuple(inputs[1].shape):
            raise ValueError(
                "The input must be [old, new], two tensors of one shape. Received: "
                f"shapes {[tuple(tensor.shape) for tensor in inputs]}"
            )
        old, new = inputs
        return old + (new - old) * ops.cast(alpha, self.compute_dtype)
