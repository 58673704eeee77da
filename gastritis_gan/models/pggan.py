"""Generator and discriminator of PGGAN (Karras et al. 2018), one stage at a time."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from gastritis_gan.layers.downsample_conv2d import DownsampleConv2D
from gastritis_gan.layers.equalized_conv2d import EqualizedConv2D
from gastritis_gan.layers.equalized_dense import EqualizedDense
from gastritis_gan.layers.fade_in import FadeIn
from gastritis_gan.layers.minibatch_std_dev import MinibatchStdDev
from gastritis_gan.layers.pixel_normalization import PixelNormalization
from gastritis_gan.layers.resampling import downsample_mean, upsample_nearest
from gastritis_gan.layers.upsample_conv2d import UpsampleConv2D
from gastritis_gan.models.network import Network
from gastritis_gan.models.network_size import MIN_RESOLUTION

_LATENT_GAIN = math.sqrt(2) / 4  # the dense layer feeds 4 x 4 pixels


class ProgressiveNetwork(Network):
    """Base of the two progressive networks, whose last block may fade in.

    Layer names do not depend on `resolution`, so weights pass from stage to stage by
    name. In a transition the network is called with `alpha`, a scalar: 0 is the network
    of half the resolution, 1 the new block only. Else there is no fade branch and no
    `alpha`.
    """

    def __init__(
        self, resolution: int, *, transition: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(resolution, **kwargs)
        if transition and resolution == MIN_RESOLUTION:
            raise ValueError(
                f"`transition` needs a lower resolution to fade from, and {resolution} "
                "pixels have none. Received: transition=True"
            )
        self.transition = transition

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "transition": self.transition}


@keras.saving.register_keras_serializable(package="gastritis_gan")
class ProgressiveGenerator(ProgressiveNetwork):
    """Maps latents to images of one stage of progressive growing.

    Its layers are `4x4_dense`, `4x4_conv`, `8x8_conv0`, `8x8_conv1`, ...,
    `to_rgb_8x8`; `to_rgb` is the field's name of the layer that makes the images, also
    those of one channel.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 4 to
            1024.
        latent_dim: Number of entries of a latent.
        **kwargs: `transition`, whether the last block fades in, from the upscaled
            images of half the resolution; and the arguments of `Network`.

    Input shape: latents `(batch, latent_dim)`, of any length: they are normalized.
    Output shape: images `(batch, resolution, resolution, num_channels)`, linear:
    nominally in [-1, 1], not clipped.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), Table 2.
    """

    def __init__(self, resolution: int, *, latent_dim: int, **kwargs: Any) -> None:
        super().__init__(resolution, **kwargs)
        if latent_dim < 1:
            raise ValueError(f"`latent_dim` must be at least 1. Received: {latent_dim}")
        self.latent_dim = latent_dim
        self.normalize = PixelNormalization(dtype=self.dtype_policy)
        self.dense = EqualizedDense(
            (4, 4, self._filters(4)), gain=_LATENT_GAIN, **self._activated("4x4_dense")
        )
        self.conv = EqualizedConv2D(self._filters(4), 3, **self._activated("4x4_conv"))
        self.conv0_layers = [
            UpsampleConv2D(self._filters(r), 3, **self._activated(f"{r}x{r}_conv0"))
            for r in self._resolutions[1:]
        ]
        self.conv1_layers = [
            EqualizedConv2D(self._filters(r), 3, **self._activated(f"{r}x{r}_conv1"))
            for r in self._resolutions[1:]
        ]
        self.to_rgb = self._to_rgb(resolution)
        if self.transition:
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


@keras.saving.register_keras_serializable(package="gastritis_gan")
class ProgressiveDiscriminator(ProgressiveNetwork):
    """Maps images of one stage of progressive growing to scores.

    Its layers are `from_rgb_8x8`, `8x8_conv0`, `8x8_conv1`, ..., `4x4_conv`,
    `4x4_dense0`, `4x4_dense1`; `from_rgb` is the field's name of the layer that reads
    the images, also those of one channel.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 4 to
            1024.
        mbstd_group_size: See `MinibatchStdDev`.
        fused_scale: False is the paper's order, convolution, bias, leaky ReLU, mean of
            2 x 2 pixels. True takes the mean within the convolution, before bias and
            leaky ReLU, with fewer multiplications; it is the default of the paper's
            code and another function of the same weights.
        **kwargs: `transition`, whether the first block fades in, from the downscaled
            images read by the lower resolution's `from_rgb`; and the arguments of
            `Network`.

    With the argument `num_sets`, the batch is that many sets of equal size, one after
    the other, and no group of `MinibatchStdDev` crosses their borders: the scores are
    those of one call for each set.

    Input shape: images `(batch, resolution, resolution, num_channels)` in [-1, 1]; the
    batch, or each of its sets, is smaller than `mbstd_group_size` or a multiple of it.
    Output shape: unbounded scores `(batch, 1)`.
    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), Table 2.
    """

    def __init__(
        self,
        resolution: int,
        *,
        mbstd_group_size: int = 4,
        fused_scale: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(resolution, **kwargs)
        self.mbstd_group_size = mbstd_group_size
        self.fused_scale = fused_scale
        self._block_resolutions = self._resolutions[:0:-1]  # (resolution, ..., 16, 8)
        self.from_rgb = self._from_rgb(resolution)
        self.conv0_layers = [
            EqualizedConv2D(self._filters(r), 3, **self._activated(f"{r}x{r}_conv0"))
            for r in self._block_resolutions
        ]
        conv1_class = DownsampleConv2D if fused_scale else EqualizedConv2D
        self.conv1_layers = [
            conv1_class(self._filters(r // 2), 3, **self._activated(f"{r}x{r}_conv1"))
            for r in self._block_resolutions
        ]
        self.minibatch_std_dev = MinibatchStdDev(
            group_size=mbstd_group_size, dtype=self.dtype_policy
        )
        self.conv = EqualizedConv2D(self._filters(4), 3, **self._activated("4x4_conv"))
        self.dense0 = EqualizedDense(self._filters(2), **self._activated("4x4_dense0"))
        self.dense1 = EqualizedDense(
            1, gain=1.0, **{**self._named("4x4_dense1"), "dtype": "float32"}
        )
        if self.transition:
            self.old_from_rgb = self._from_rgb(resolution // 2)
            self.fade_in = FadeIn(dtype="float32")
        self.build((None, resolution, resolution, self.num_channels))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.built:
            return
        r = self.resolution
        self.input_spec = keras.layers.InputSpec(shape=(None, r, r, self.num_channels))
        self.from_rgb.build(input_shape)
        for r, conv0, conv1 in zip(
            self._block_resolutions, self.conv0_layers, self.conv1_layers, strict=True
        ):
            conv0.build((None, r, r, self._filters(r)))
            conv1.build((None, r, r, self._filters(r)))
        self.minibatch_std_dev.build((None, 4, 4, self._filters(4)))
        self.conv.build((None, 4, 4, self._filters(4) + 1))
        self.dense0.build((None, 4 * 4 * self._filters(4)))
        self.dense1.build((None, self._filters(2)))
        if self.transition:
            self.old_from_rgb.build((None, None, None, self.num_channels))
            half = self.resolution // 2
            self.fade_in.build([(None, half, half, self._filters(half))] * 2)

    def call(self, images: Any, alpha: Any = None, num_sets: int = 1) -> Any:
        self._check_alpha(alpha)
        x = self.from_rgb(images)  # [N, R, R, C]
        for i, (conv0, conv1) in enumerate(
            zip(self.conv0_layers, self.conv1_layers, strict=True)
        ):
            x = conv1(conv0(x))
            if not self.fused_scale:
                x = downsample_mean(x)  # [N, H/2, W/2, C]
            if i == 0 and self.transition:
                old = self.old_from_rgb(downsample_mean(images))
                x = self.fade_in([old, x], alpha=alpha)
        x = self.minibatch_std_dev(x, num_sets=num_sets)  # [N, 4, 4, C + 1]
        x = ops.reshape(self.conv(x), (-1, 4 * 4 * self._filters(4)))
        return self.dense1(self.dense0(x))  # [N, 1]

    def _from_rgb(self, resolution: int) -> EqualizedConv2D:
        arguments = self._activated(f"from_rgb_{resolution}x{resolution}")
        return EqualizedConv2D(self._filters(resolution), 1, **arguments)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mbstd_group_size": self.mbstd_group_size,
            "fused_scale": self.fused_scale,
        }
