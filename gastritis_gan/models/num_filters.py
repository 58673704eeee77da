"""Width of the networks per resolution: arithmetic only, no TensorFlow."""

from __future__ import annotations

MIN_RESOLUTION = 4
MAX_RESOLUTION = 1024


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
