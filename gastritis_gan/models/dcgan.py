"""Generator and discriminator of DCGAN (Radford et al. 2016, section 3)."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from gastritis_gan.layers.convolution import LEAKY_RELU_SLOPE
from gastritis_gan.models.network import Network

_INITIAL_STD_DEV = 0.02
_MOMENTUM = 0.99  # not stated in the paper, nor is epsilon
_EPSILON = 1e-5
_CONVOLUTION: dict[str, Any] = {"kernel_size": 5, "strides": 2, "padding": "same"}


@keras.saving.register_keras_serializable(package="gastritis_gan")
class DCGANGenerator(Network):
    """Maps latents to images by transposed convolutions of 5 x 5 and stride 2.

    Every convolution but the last is batch normalized and followed by ReLU, the last by
    tanh. In training the statistics are those of the batch, else their moving averages,
    which are weights like the others.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 8 to
            1024.
        latent_dim: Number of entries of a latent.
        **kwargs: Those of `Network`. `fmap_base` 2048 with `fmap_max` 1024 is the
            paper's figure 1: 1024 feature maps at 4 pixels, 512 at 8, ..., 128 at 32.

    Input shape: latents `(batch, latent_dim)` from a standard normal distribution, like
    those of every generator here. The paper's are uniform in [-1, 1]: the normal
    distribution function makes them so.
    Output shape: images `(batch, resolution, resolution, num_channels)` in (-1, 1).
    Reference: [Radford et al., 2016](https://arxiv.org/abs/1511.06434), section 3 and
    figure 1.
    """

    def __init__(self, resolution: int, *, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(resolution, **kwargs)
        if latent_dim < 1:
            raise ValueError(f"`latent_dim` must be at least 1. Received: {latent_dim}")
        if len(self._resolutions) == 1:
            raise ValueError(
                "`resolution` must be at least 8: a convolution doubles 4 pixels. "
                f"Received: {resolution}"
            )
        self.latent_dim = latent_dim
        *hidden, last = self._resolutions[1:]
        first = self._resolutions[0]
        self.dense = keras.layers.Dense(
            first * first * self._filters(first),
            use_bias=False,
            **self._initialized(f"{first}x{first}_dense"),
        )
        self.convolutions = [
            keras.layers.Conv2DTranspose(
                self._filters(r),
                use_bias=False,
                **_CONVOLUTION,
                **self._initialized(f"{r}x{r}_conv"),
            )
            for r in hidden
        ]
        self.normalizations = [
            _batch_normalization(f"{r}x{r}_norm", self.dtype_policy)
            for r in (first, *hidden)
        ]
        self.to_rgb = keras.layers.Conv2DTranspose(
            self.num_channels,
            **_CONVOLUTION,
            **{**self._initialized(f"to_rgb_{last}x{last}"), "dtype": "float32"},
        )
        self.build((None, latent_dim))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.built:
            return
        self.input_spec = keras.layers.InputSpec(shape=(None, self.latent_dim))
        self.dense.build(input_shape)
        shapes = [(None, r, r, self._filters(r)) for r in self._resolutions[:-1]]
        for layer, shape in zip(self.normalizations, shapes, strict=True):
            layer.build(shape)
        for layer, shape in zip([*self.convolutions, self.to_rgb], shapes, strict=True):
            layer.build(shape)

    def call(self, latents: Any, alpha: Any = None, training: bool = False) -> Any:
        self._check_alpha(alpha)
        size = self._resolutions[0]
        uniform = ops.erf(latents / math.sqrt(2))  # [N, latent_dim], in [-1, 1]
        x = ops.reshape(self.dense(uniform), (-1, size, size, self._filters(size)))
        first, *others = self.normalizations
        x = ops.relu(first(x, training=training))
        for convolution, normalization in zip(self.convolutions, others, strict=True):
            x = ops.relu(normalization(convolution(x), training=training))
        return ops.tanh(self.to_rgb(x))  # [N, R, R, num_channels]

    def _initialized(self, name: str) -> dict[str, Any]:
        return {
            "kernel_initializer": _initial_kernel(self._layer_seed(name)),
            "name": name,
            "dtype": self.dtype_policy,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="gastritis_gan")
class DCGANDiscriminator(Network):
    """Maps images to scores by convolutions of 5 x 5 and stride 2.

    The mirror image of `DCGANGenerator`, with the same widths. Every convolution is
    followed by leaky ReLU and, but for the first, preceded there by batch
    normalization; one dense unit reads the last 4 x 4 pixels.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 8 to
            1024.
        **kwargs: Those of `Network`.

    With the argument `num_sets`, the batch is that many sets of equal size, one after
    the other, each normalized on its own.

    Input shape: images `(batch, resolution, resolution, num_channels)` in [-1, 1].
    Output shape: unbounded scores `(batch, 1)`; the paper's output is their sigmoid.
    Reference: [Radford et al., 2016](https://arxiv.org/abs/1511.06434), section 3.
    """

    def __init__(self, resolution: int, **kwargs: Any) -> None:
        super().__init__(resolution, **kwargs)
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
                kernel_initializer=_initial_kernel(self._layer_seed(f"{r}x{r}_conv")),
                name=f"{r}x{r}_conv",
                dtype=self.dtype_policy,
                **_CONVOLUTION,
            )
            for r in self._outputs
        ]
        self.normalizations = [
            _batch_normalization(f"{r}x{r}_norm", self.dtype_policy)
            for r in self._outputs[1:]
        ]
        self.dense = keras.layers.Dense(
            1,
            kernel_initializer=_initial_kernel(self._layer_seed("4x4_dense")),
            name="4x4_dense",
            dtype="float32",
        )
        self.build((None, resolution, resolution, self.num_channels))

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


def _initial_kernel(seed: int) -> keras.initializers.Initializer:
    """Returns N(0, 0.02)."""
    return keras.initializers.RandomNormal(stddev=_INITIAL_STD_DEV, seed=seed)


def _batch_normalization(name: str, dtype: Any) -> keras.layers.BatchNormalization:
    """Returns a batch normalization over images and pixels; statistics in float32.

    Under a strategy each replica normalizes by its own share of the batch, as in the
    paper's code, and keeps its own moving averages; those of the first are the ones
    that checkpoints and samples have.
    """
    return keras.layers.BatchNormalization(
        momentum=_MOMENTUM, epsilon=_EPSILON, name=name, dtype=dtype
    )
