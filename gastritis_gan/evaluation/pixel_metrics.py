"""Metrics of pixels: MS-SSIM, mean pairwise distance, sliced Wasserstein distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from gastritis_gan.rng import stream

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW_PX = 11
_SIGMA_PX = 1.5
_LUMINANCE_CONSTANT = (0.01 * 255) ** 2
_CONTRAST_CONSTANT = (0.03 * 255) ** 2
_PAIRS_AT_ONCE = 64
_PIXELS_AT_ONCE = 4_096

_NEIGHBOURHOOD_PX = 7
_DESCRIPTORS_PER_IMAGE = 128
_NUM_PROJECTIONS = 512
_PROJECTIONS_AT_ONCE = 16
_CHUNK_IMAGES = 256
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
_COARSEST_PX = 16


def ms_ssim_diversity(images: NDArray[np.uint8], *, num_pairs: int, seed: int) -> float:
    """Returns the mean MS-SSIM of random pairs: the lower, the more diverse.

    Args:
        images: Shape `(n, height, width)`, 0 to 255, n at least 2.
        num_pairs: How many pairs of two different images are drawn, with replacement.
        seed: Of the draw.

    Returns:
        A number up to 1; 1 when all images are equal. Meaningful beside the same number
        for real images of the same size only.
    """
    generator = stream(seed, "evaluation.ms_ssim")
    first = generator.integers(len(images), size=num_pairs)
    second = (first + generator.integers(1, len(images), size=num_pairs)) % len(images)
    return float(
        np.mean(
            [
                value
                for start in range(0, num_pairs, _PAIRS_AT_ONCE)
                for value in ms_ssim(
                    images[first[start : start + _PAIRS_AT_ONCE]],
                    images[second[start : start + _PAIRS_AT_ONCE]],
                )
            ]
        )
    )


def num_scales(resolution: int) -> int:
    """Returns how many of the five scales fit: those of at least 11 pixels, or one.

    16 pixels have one scale, 32 two, 64 three, 128 four, 176 and more all five.
    """
    fitting: int = sum(
        resolution // 2**scale >= _WINDOW_PX for scale in range(len(_SCALE_WEIGHTS))
    )
    return max(1, fitting)


def ms_ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the MS-SSIM of each pair of images.

    With fewer than five scales the weights of the finest ones are scaled to sum 1; with
    one it is the plain SSIM. A scale whose structure is anticorrelated counts as 0. In
    images below 11 pixels the window is the largest odd one that fits, its sigma scaled
    alike.

    Args:
        first: Shape `(n, height, width)`, 0 to 255.
        second: The same shape.

    Returns:
        Shape `(n,)`, in [0, 1].

    Reference: Z. Wang, E. P. Simoncelli, A. C. Bovik, Asilomar Conf. Signals (2003).
    """
    scales = num_scales(min(first.shape[1:]))
    weights = np.array(_SCALE_WEIGHTS[:scales]) / sum(_SCALE_WEIGHTS[:scales])
    one, other = first.astype(np.float64), second.astype(np.float64)
    product = np.ones(len(first))
    for scale, weight in enumerate(weights):
        similarity, structure = _similarity_and_structure(one, other)
        is_last = scale == scales - 1
        term = similarity if is_last else structure
        product *= np.maximum(term, 0) ** weight
        if not is_last:
            one, other = _halve(one), _halve(other)
    return product


def _similarity_and_structure(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean SSIM and the mean contrast-structure term, each `(n,)`."""
    window = _window(min(one.shape[1:]))
    mean_one, mean_other = _valid(one, window), _valid(other, window)
    variances = _valid(one**2 + other**2, window) - mean_one**2 - mean_other**2
    covariance = _valid(one * other, window) - mean_one * mean_other
    structure = (2 * covariance + _CONTRAST_CONSTANT) / (variances + _CONTRAST_CONSTANT)
    luminance = (2 * mean_one * mean_other + _LUMINANCE_CONSTANT) / (
        mean_one**2 + mean_other**2 + _LUMINANCE_CONSTANT
    )
    return (
        np.asarray((luminance * structure).mean(axis=(1, 2))),
        np.asarray(structure.mean(axis=(1, 2))),
    )


def _window(resolution: int) -> NDArray[np.float64]:
    side = min(_WINDOW_PX, resolution - (resolution + 1) % 2)  # odd
    offsets = np.arange(side) - side // 2
    sigma = _SIGMA_PX * side / _WINDOW_PX
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum())


def _valid(
    images: NDArray[np.float64], window: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Filters rows and columns, and keeps where the window lies wholly inside."""
    edge = len(window) // 2
    filtered = correlate1d(correlate1d(images, window, axis=1), window, axis=2)
    height, width = images.shape[1:]
    return np.asarray(filtered[:, edge : height - edge, edge : width - edge])


def _halve(images: NDArray[np.float64]) -> NDArray[np.float64]:
    num_images, height, width = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(num_images, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean(axis=(2, 4)))


def mean_pairwise_distance(images: NDArray[Any]) -> float:
    """Returns the mean over all pairs of the root mean square pixel difference.

    Args:
        images: Shape `(n, ...)`, n at least 2. Memory grows with n squared: 40 MB for
            1,000 images.

    Returns:
        The distance in the images' own unit, such as grey levels; 0 when all are equal.
    """
    pixels = images.reshape(len(images), -1)
    # 1,000 images of 256 x 256 take 2 s and 75 MB here, and 16 s and 400 MB by
    # scikit-learn's euclidean_distances.
    lengths = np.zeros(len(images))
    products = np.zeros((len(images), len(images)))
    for start in range(0, pixels.shape[1], _PIXELS_AT_ONCE):
        part = pixels[:, start : start + _PIXELS_AT_ONCE].astype(np.float64)
        lengths += (part**2).sum(axis=1)
        products += part @ part.T
    first, second = np.triu_indices(len(images), k=1)
    squared = lengths[first] + lengths[second] - 2 * products[first, second]
    return float(np.sqrt(np.maximum(squared, 0) / pixels.shape[1]).mean())


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
