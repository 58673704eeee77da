"""Arithmetic of the networks by formula: convolutions and dense layers, unfused."""

from __future__ import annotations

from gastritis_gan.models.num_filters import num_filters

_PER_MULTIPLY_ADD = 2
_KERNEL_PIXELS = 9


def generator_flops(
    resolution: int, *, latent_dim: int, fmap_base: int, fmap_max: int
) -> int:
    """Returns the operations of one forward pass for one image of one channel.

    A multiply-add counts as two. Upscaling before a convolution is counted as written,
    so a fused implementation needs fewer.
    """
    filters = _Filters(fmap_base, fmap_max)
    total = latent_dim * filters(4) * 16 + _KERNEL_PIXELS * filters(4) ** 2 * 16
    for r in _blocks(resolution):
        total += _KERNEL_PIXELS * filters(r) * (filters(r // 2) + filters(r)) * r * r
    total += filters(resolution) * resolution**2  # to_rgb
    return _PER_MULTIPLY_ADD * total


def discriminator_flops(resolution: int, *, fmap_base: int, fmap_max: int) -> int:
    """Returns the operations of a forward pass per image, as `generator_flops`."""
    filters = _Filters(fmap_base, fmap_max)
    total = filters(resolution) * resolution**2  # from_rgb
    for r in _blocks(resolution):
        total += _KERNEL_PIXELS * filters(r) * (filters(r) + filters(r // 2)) * r * r
    width = filters(4)
    total += _KERNEL_PIXELS * (width + 1) * width * 16  # minibatch std adds a channel
    total += 16 * width * filters(2) + filters(2)
    return _PER_MULTIPLY_ADD * total


class _Filters:
    def __init__(self, fmap_base: int, fmap_max: int) -> None:
        self._base, self._max = fmap_base, fmap_max

    def __call__(self, resolution: int) -> int:
        return num_filters(resolution, fmap_base=self._base, fmap_max=self._max)


def _blocks(resolution: int) -> list[int]:
    return [1 << bits for bits in range(3, resolution.bit_length())]
