"""Blocks, widths and operations of the networks: arithmetic only, no TensorFlow."""

from __future__ import annotations

import functools

MIN_RESOLUTION = 4
MAX_RESOLUTION = 1024
_FLOPS_PER_MULTIPLY_ADD = 2
_KERNEL_PIXELS = 9


def num_filters(resolution: int, *, fmap_base: int, fmap_max: int) -> int:
    """Returns the number of feature maps of the block at a resolution.

    `fmap_base` halves with every doubling, so that 2 pixels have `fmap_base`, 4 pixels
    half of it, and nothing exceeds `fmap_max` (Karras et al. 2018, Table 2: 8192 and
    512).

    Args:
        resolution: Pixels, a power of two from 2 to 1024. 2 is the width of the last
            hidden layer of the discriminator.
        fmap_base: Feature maps at 2 pixels if there were no maximum.
        fmap_max: The most feature maps of a block.

    Raises:
        ValueError: `resolution` is not such a power, or the block would have no feature
            map.
    """
    if resolution & (resolution - 1) or not 2 <= resolution <= MAX_RESOLUTION:
        raise ValueError(
            f"`resolution` must be a power of two from 2 to {MAX_RESOLUTION}. "
            f"Received: {resolution}"
        )
    filters = min(fmap_base // (resolution // 2), fmap_max)
    if filters < 1:
        raise ValueError(
            f"`fmap_base` must be at least {resolution // 2} for {resolution} pixels, "
            f"and `fmap_max` at least 1. Received: fmap_base={fmap_base}, "
            f"fmap_max={fmap_max}"
        )
    return filters


def block_resolutions(resolution: int) -> tuple[int, ...]:
    """Returns the resolutions of a network's blocks, `(4, 8, ..., resolution)`.

    Raises:
        ValueError: `resolution` is not a power of two from 4 to 1024.
    """
    if (
        resolution & (resolution - 1)
        or not MIN_RESOLUTION <= resolution <= MAX_RESOLUTION
    ):
        raise ValueError(
            f"`resolution` must be a power of two from {MIN_RESOLUTION} to "
            f"{MAX_RESOLUTION}. Received: {resolution}"
        )
    return tuple(
        MIN_RESOLUTION << i
        for i in range(resolution.bit_length() - MIN_RESOLUTION.bit_length() + 1)
    )


def generator_flops(
    resolution: int, *, latent_dim: int, fmap_base: int, fmap_max: int
) -> int:
    """Returns the operations of a PGGAN generator for one image of one channel.

    They are those of the forward pass, by the paper's formulas: a multiply-add counts
    as two, upscaling before a convolution as written, so that a fused implementation
    needs fewer.
    """
    filters = functools.partial(num_filters, fmap_base=fmap_base, fmap_max=fmap_max)
    total = latent_dim * filters(4) * 16 + _KERNEL_PIXELS * filters(4) ** 2 * 16
    for r in block_resolutions(resolution)[1:]:
        total += _KERNEL_PIXELS * filters(r) * (filters(r // 2) + filters(r)) * r * r
    total += filters(resolution) * resolution**2  # to_rgb
    return _FLOPS_PER_MULTIPLY_ADD * total


def discriminator_flops(resolution: int, *, fmap_base: int, fmap_max: int) -> int:
    """Returns the operations of a PGGAN discriminator, as `generator_flops`."""
    filters = functools.partial(num_filters, fmap_base=fmap_base, fmap_max=fmap_max)
    total = filters(resolution) * resolution**2  # from_rgb
    for r in block_resolutions(resolution)[1:]:
        total += _KERNEL_PIXELS * filters(r) * (filters(r) + filters(r // 2)) * r * r
    width = filters(4)
    total += _KERNEL_PIXELS * (width + 1) * width * 16  # minibatch std adds a channel
    total += 16 * width * filters(2) + filters(2)
    return _FLOPS_PER_MULTIPLY_ADD * total
