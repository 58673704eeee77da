"""The generator."""

from __future__ import annotations

import math
from typing import Any

import keras

from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D
from gastritis_gan.layers.equalized_dense import EqualizedDense
from gastritis_gan.layers.fade_in import FadeIn
from gastritis_gan.layers.pixel_normalization import PixelNormalization
from gastritis_gan.layers.resampling import upsample_nearest
from gastritis_gan.layers.upsample_conv2d import UpsampleConv2D
from gastritis_gan.models.progressive_network import ProgressiveNetwork

_LATENT_GAIN = math.sqrt(2) / 4  # the dense layer feeds 4 x 4 pixels


@keras.saving.register_keras_serializable(package="gastritis_gan")
class ProgressiveGenerator(ProgressiveNetwork):
    """Maps latents to images of one stage of progressive growing.

    It has its weights when constructed. Layer names do not depend on `resolution`
    (`4x4_dense`, `4x4_conv`, `8x8_conv0`, `8x8_conv1`, ..., `to_rgb_8x8`), so weights
    pass from stage to stage by name.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 4 to
            1024.
        latent_dim: Number of entries of a latent.
        fmap_base: See `num_filters`.
        fmap_max: See `num_filters`.
        num_channels: Channels of the images. `to_rgb` is the field's name of the layer
            that makes them, also where there is one.
        transition: Whether the last block fades in. If so, call the network as
            `generator(latents, alpha=alpha)`; `alpha` is a scalar, 0 = the upscaled
            images of half the resolution, 1 = the new block only. If not, there is no
            fade branch and no `alpha`.
        seed: Determines the initial weights.

    Input shape: latents `(batch, latent_dim)`, of any length: they are normalized.
    Output shape: images `(batch, resolution, resolution, num_channels)`, linear:
    nominally in [-1, 1], not clipped.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), Table 2.
    """

    def __init__(
        self,
        resolution: int,
        *,
        latent_dim: int,
        fmap_base: int,
        fmap_max: int,
        num_channels: int = 1,
        transition: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            resolution,
            fmap_base=fmap_base,
            fmap_max=fmap_max,
            num_channels=num_channels,
            transition=transition,
            seed=seed,
            **kwargs,
        )
        if latent_dim < 1:
            raise ValueError(f"`latent_dim` must be at least 1. Received: {latent_dim}")
        self.latent_dim = latent_dim
        self.normalize = PixelNormalization(dtype=self.dtype_policy)
        self.dense = EqualizedDense(
            (4, 4, self._filters(4)), gain=_LATENT_GAIN, **self._rectified("4x4_dense")
        )
        self.conv = EqualizedConv2D(self._filters(4), 3, **self._rectified("4x4_conv"))
        self.conv0_layers = [
            UpsampleConv2D(self._filters(r), 3, **self._rectified(f"{r}x{r}_conv0"))
            for r in self._resolutions[1:]
        ]
        self.conv1_layers = [
            EqualizedConv2D(self._filters(r), 3, **self._rectified(f"{r}x{r}_conv1"))
            for r in self._resolutions[1:]
        ]
        self.to_rgb = self._to_rgb(resolution)
        if transition:
            self.old_to_rgb = self._to_rgb(resolution // 2)
            self.fade_in = FadeIn(dtype="float32")
        self.build((None, latent_dim))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.built:
            return
        self.input_spec = keras.layers.InputSpec(shape=(None, self.latent_dim))
        self.normalize.build(input_shape)
        self.dense.build(input_shape)
        self.conv.build((None, 4, 4, self._filters(4)))
        for r, conv0, conv1 in zip(
            self._resolutions[1:], self.conv0_layers, self.conv1_layers, strict=True
        ):
            conv0.build((None, None, None, self._filters(r // 2)))
            conv1.build((None, r, r, self._filters(r)))
        r = self.resolution
        self.to_rgb.build((None, r, r, self._filters(r)))
        if self.transition:
            self.old_to_rgb.build((None, r // 2, r // 2, self._filters(r // 2)))
            self.fade_in.build([(None, r, r, self.num_channels)] * 2)

    def call(self, latents: Any, alpha: Any = None) -> Any:
        self._check_alpha(alpha)
        x = self.normalize(self.dense(self.normalize(latents)))  # [N, 4, 4, C]
        x = self.normalize(self.conv(x))
        old = x
        for conv0, conv1 in zip(self.conv0_layers, self.conv1_layers, strict=True):
            old = x
            x = self.normalize(conv0(x))  # [N, 2H, 2W, C]
            x = self.normalize(conv1(x))
        images = self.to_rgb(x)
        if not self.transition:
            return images
        old_images = upsample_nearest(self.old_to_rgb(old))
        return self.fade_in([old_images, images], alpha=alpha)

    def _to_rgb(self, resolution: int) -> EqualizedConv2D:
        arguments = {
            **self._named(f"to_rgb_{resolution}x{resolution}"),
            "dtype": "float32",
        }
        return EqualizedConv2D(self.num_channels, 1, gain=1.0, **arguments)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "latent_dim": self.latent_dim}
