"""Minibatch standard deviation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gastritis_gan")
class MinibatchStdDev(keras.layers.Layer):
    """Adds a channel with the standard deviation of the samples of a group.

    A batch of N samples splits into groups of G = min(`group_size`, N); sample i is
    grouped with i + N/G, i + 2N/G and so on. Per group, the (biased) standard deviation
    over the samples is averaged over channels and pixels into one number, which fills
    the new channel of the group's samples.

    Called with `num_sets`, it takes the batch as that many sets of N samples, one after
    the other, which it treats one by one.

    Args:
        group_size: Number of samples per group, at least 1. N must be a multiple of G:
            if not, the layer raises ValueError, or, where N is only known to the graph,
            the graph's reshape fails.
        epsilon: Positive float added to the variance.

    Input shape: `(batch, height, width, channels)`.
    Output shape: `(batch, height, width, channels + 1)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 3.
    """

    def __init__(
        self, *, group_size: int = 4, epsilon: float = 1e-8, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if group_size < 1:
            raise ValueError(f"`group_size` must be at least 1. Received: {group_size}")
        if epsilon <= 0:
            raise ValueError(f"`epsilon` must be positive. Received: {epsilon}")
        self.group_size = group_size
        self.epsilon = epsilon

    def call(self, inputs: Any, num_sets: int = 1) -> Any:
        batch, height, width, channels = ops.shape(inputs)
        batch //= num_sets
        is_static = isinstance(batch, int)  # not a tensor of the graph
        group = (min if is_static else ops.minimum)(self.group_size, batch)
        if is_static and batch % group:
            raise ValueError(
                f"The batch must be a multiple of `group_size`={self.group_size}, or "
                f"smaller. Received: a batch of {batch}"
            )
        x = ops.cast(inputs, "float32")  # [N, H, W, C]
        shape = (num_sets, group, batch // group, height, width, channels)
        x = ops.reshape(x, shape)  # [S, G, M, H, W, C]
        x = x - ops.mean(x, axis=1, keepdims=True)
        variance = ops.mean(ops.square(x), axis=1, keepdims=True)  # [S, 1, M, H, W, C]
        std_dev = ops.sqrt(variance + self.epsilon)
        std_dev = ops.mean(std_dev, axis=(3, 4, 5), keepdims=True)  # [S, 1, M, 1, 1, 1]
        std_dev = ops.tile(std_dev, (1, group, 1, height, width, 1))
        std_dev = ops.reshape(std_dev, (-1, height, width, 1))  # [S * N, H, W, 1]
        std_dev = ops.cast(std_dev, self.compute_dtype)
        return ops.concatenate([inputs, std_dev], axis=-1)  # [N, H, W, C + 1]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        *others, channels = input_shape
        return (*others, None if channels is None else channels + 1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "group_size": self.group_size,
            "epsilon": self.epsilon,
        }
