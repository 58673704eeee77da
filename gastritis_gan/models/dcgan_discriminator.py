"""The discriminator of DCGAN."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from gastritis_gan.layers.convolution import LEAKY_RELU_SLOPE
from gastritis_gan.models.dcgan_layers import (
    batch_normalization,
    convolution_arguments,
    initial_kernel,
)
from gastritis_gan.models.network import Network


@keras.saving.register_keras_serializable(package="gastritis_gan")
class DCGANDiscriminator(Network):
    """Maps images to scores by convolutions of 5 x 5 and stride 2.

    The mirror image of `DCGANGenerator`, with the same widths and arguments. Every
    convolution is followed by leaky ReLU and, but for the first, preceded there by
    batch normalization; one dense unit reads the last 4 x 4 pixels. It has its weights
    when constructed.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 8 to
            1024.
        fmap_base: See `DCGANGenerator`.
        fmap_max: See `num_filters`.
        num_channels: Channels of the images.
        seed: Determines the initial weights.

    With the argument `num_sets`, the batch is that many sets of equal size, one after
    the other, each normalized on its own.

    Input shape: images `(batch, resolution, resolution, num_channels)` in [-1, 1].
    Output shape: unbounded scores `(batch, 1)`; the paper's output is their sigmoid.
    Reference: [Radford et al., 2016](https://arxiv.org/abs/1511.06434), section 3.
    """

    def __init__(
        self,
        resolution: int,
        *,
        fmap_base: int,
        fmap_max: int,
        num_channels: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            resolution,
            fmap_base=fmap_base,
            fmap_max=fmap_max,
            num_channels=num_channels,
            seed=seed,
            **kwargs,
        )
        if len(self._resolutions) == 1:
            raise ValueError(
                "`resolution` must be at least 8: a convolution halves to 4 pixels. "
                f"Received: {resolution}"
            )
        self._outputs = self._resolutions[-2::-1]  # (resolution / 2, ..., 8, 4)
        self.convolutions = [
            keras.layers.Conv2D(
                self._filters(r),
                use_bias=r == self._outputs[0],
                kernel_initializer=initial_kernel(self._layer_seed(f"{r}x{r}_conv")),
                name=f"{r}x{r}_conv",
                dtype=self.dtype_policy,
                **convolution_arguments(),
            )
            for r in self._outputs
        ]
        self.normalizations = [
            batch_normalization(f"{r}x{r}_norm", self.dtype_policy)
            for r in self._outputs[1:]
        ]
        self.dense = keras.layers.Dense(
            1,
            kernel_initializer=initial_kernel(self._layer_seed("4x4_dense")),
            name="4x4_dense",
            dtype="float32",
        )
        self.build((None, resolution, resolution, num_channels))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.built:
            return
        r = self.resolution
        self.input_spec = keras.layers.InputSpec(shape=(None, r, r, self.num_channels))
        shapes = [(None, r, r, self._filters(r)) for r in self._outputs]
        for layer, shape in zip(
            self.convolutions, [input_shape, *shapes[:-1]], strict=True
        ):
            layer.build(shape)
        for layer, shape in zip(self.normalizations, shapes[1:], strict=True):
            layer.build(shape)
        self.dense.build((None, 4 * 4 * self._filters(4)))

    def call(
        self,
        images: Any,
        alpha: Any = None,
        training: bool = False,
        num_sets: int = 1,
    ) -> Any:
        self._check_alpha(alpha)
        sets = ops.split(images, num_sets)  # each is normalized by its own statistics
        return ops.concatenate([self._scores(images, training) for images in sets])

    def _scores(self, images: Any, training: bool) -> Any:
        first, *others = self.convolutions
        x = _leaky_relu(first(images))  # [N, R/2, R/2, C]
        for convolution, normalization in zip(others, self.normalizations, strict=True):
            x = _leaky_relu(normalization(convolution(x), training=training))
        return self.dense(ops.reshape(x, (-1, 4 * 4 * self._filters(4))))  # [N, 1]


def _leaky_relu(x: Any) -> Any:
    return ops.leaky_relu(x, negative_slope=LEAKY_RELU_SLOPE)
