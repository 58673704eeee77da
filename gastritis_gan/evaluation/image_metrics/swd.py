"""Sliced Wasserstein distance between Laplacian pyramids (Karras et al. 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from gastritis_gan.rng import stream

_NEIGHBOURHOOD_PX = 7
_DESCRIPTORS_PER_IMAGE = 128
_NUM_PROJECTIONS = 512
_PROJECTIONS_AT_ONCE = 16
_CHUNK_IMAGES = 256
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
_COARSEST_PX = 16


def sliced_wasserstein_distance(
    first: NDArray[np.uint8], second: NDArray[np.uint8], *, seed: int
) -> dict[int, float]:
    """Returns the distance of two sets of images at every level of the pyramid.

    From each image 128 random neighbourhoods of 7 x 7 pixels are taken at every level;
    their pixels are standardised by the mean and the standard deviation of the set; the
    distance is the mean over 512 random directions of the 1-Wasserstein distance
    between the projected sets. Levels halve the resolution while 16 pixels or more are
    left; an image of less than 7 pixels is one neighbourhood. The larger set is cut at
    random to the size of the smaller one.

    Args:
        first: Images of shape `(n, size, size)`, 0 to 255.
        second: Images of shape `(m, size, size)`, 0 to 255.
        seed: Of the neighbourhoods, the directions and the cut.

    Returns:
        From the level's resolution in pixels, highest first, to the distance in
        thousandths of the level's standard deviation, as the tables of the reference
        print it. 0 for equal sets; for two draws from one distribution it falls with
        the number of images, so compare at equal numbers only.

    Reference: [Karras et al., 2018](https://arxiv.org/abs/1710.10196), section 5.
    """
    generator = stream(seed, "evaluation.swd")
    num_images = min(len(first), len(second))
    sets = [
        images[np.sort(generator.choice(len(images), num_images, replace=False))]
        for images in (first, second)
    ]
    descriptors: list[dict[int, NDArray[np.float32]]] = [
        _descriptors(images, generator) for images in sets
    ]
    return {
        resolution: 1000
        * _sliced_distance(found, descriptors[1][resolution], generator)
        for resolution, found in descriptors[0].items()
    }


def _descriptors(
    images: NDArray[np.uint8], generator: np.random.Generator
) -> dict[int, NDArray[np.float32]]:
    """Returns standardised `(n * 128, pixels)` neighbourhoods by resolution."""
    found: dict[int, list[NDArray[np.float32]]] = {}
    for start in range(0, len(images), _CHUNK_IMAGES):
        chunk = images[start : start + _CHUNK_IMAGES].astype(np.float32)
        for level in laplacian_pyramid(chunk):
            found.setdefault(level.shape[1], []).append(
                _random_neighbourhoods(level, generator)
            )
    return {size: _standardise(np.concatenate(parts)) for size, parts in found.items()}


def _random_neighbourhoods(
    level: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    side = min(_NEIGHBOURHOOD_PX, level.shape[1])
    windows = np.lib.stride_tricks.sliding_window_view(level, (side, side), (1, 2))
    num_images, num_rows, num_columns = windows.shape[:3]
    shape = (num_images, _DESCRIPTORS_PER_IMAGE)
    rows = generator.integers(num_rows, size=shape)
    columns = generator.integers(num_columns, size=shape)
    chosen = windows[np.arange(num_images)[:, None], rows, columns]
    return chosen.reshape(-1, side * side)


def _standardise(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    standard_deviation = descriptors.std(dtype=np.float64)
    descriptors -= np.float32(descriptors.mean(dtype=np.float64))
    if standard_deviation > 0:
        descriptors /= np.float32(standard_deviation)
    return descriptors


def _sliced_distance(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    generator: np.random.Generator,
) -> float:
    """Returns the mean distance of the `(n, d)` sets along random directions."""
    total = 0.0
    for _ in range(0, _NUM_PROJECTIONS, _PROJECTIONS_AT_ONCE):
        directions = generator.standard_normal((_PROJECTIONS_AT_ONCE, first.shape[1]))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        gaps, other = (
            np.sort(directions.astype(np.float32) @ descriptors.T, axis=1)
            for descriptors in (first, second)
        )
        gaps -= other
        np.abs(gaps, out=gaps)
        total += float(gaps.mean(dtype=np.float64)) * _PROJECTIONS_AT_ONCE
    return total / _NUM_PROJECTIONS


def laplacian_pyramid(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Splits images into bands of detail, one octave each.

    Args:
        images: Shape `(n, size, size)`.

    Returns:
        Bands of shape `(n, s, s)`, s = size, size / 2, ... down to 16 pixels or to an
        odd size; each is what its halved image, enlarged again, lacks. The last one is
        the halved image itself. An image below 32 pixels is its only band.

    Reference: P. J. Burt, E. H. Adelson, IEEE Trans. Commun. 31 (1983) 532-540.
    """
    bands = []
    while images.shape[1] % 2 == 0 and images.shape[1] // 2 >= _COARSEST_PX:
        halved = _blur(images)[:, ::2, ::2]
        bands.append(images - _enlarge(halved))
        images = halved
    return [*bands, images]


def _enlarge(images: NDArray[np.float32]) -> NDArray[np.float32]:
    num_images, height, width = images.shape
    spread = np.zeros((num_images, 2 * height, 2 * width), np.float32)
    spread[:, ::2, ::2] = 4 * images  # a quarter of the pixels carries the whole mean
    return _blur(spread)


def _blur(images: NDArray[np.float32]) -> NDArray[np.float32]:
    # `mirror` keeps samples and the zeros between them apart at the edge.
    blurred = correlate1d(images, _BINOMIAL, axis=1, mode="mirror")
    return np.asarray(correlate1d(blurred, _BINOMIAL, axis=2, mode="mirror"))
