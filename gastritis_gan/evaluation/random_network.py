"""Features of a fixed random convolutional network: no training and no download."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from gastritis_gan.rng import stream

_CHANNELS = (16, 32, 64)
_CHUNK_PIXELS = 250 * 32 * 32


def random_network_features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns what a random network sees of textures, each image on its own.

    Three convolutions of 3 x 3 pixels with fixed normal weights of unit length, each
    followed by a rectifier and an average pool of 2 x 2 pixels. Features are the means
    and the standard deviations of all maps, of the image's pixels first.

    Args:
        images: Shape `(n, size, size, 1)`, 0 to 255, size at least 4.

    Returns:
        Shape `(n, 226)`.
    """
    size = max(1, _CHUNK_PIXELS // images[0].size)
    chunks = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([_features(chunk) for chunk in chunks])


def _features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    maps = tf.constant(images.astype(np.float32) / 64 - 2)
    found = [*_moments(maps)]
    for weights in _weights():
        padding = "VALID" if maps.shape[1] > weights.shape[0] else "SAME"
        maps = tf.nn.relu(tf.nn.conv2d(maps, weights, 1, padding))
        found += _moments(maps)
        maps = tf.nn.avg_pool2d(maps, 2, 2, "SAME")
    return np.concatenate([part.numpy() for part in found], axis=1, dtype=np.float64)


def _moments(maps: Any) -> tuple[Any, Any]:
    return tf.reduce_mean(maps, (1, 2)), tf.math.reduce_std(maps, (1, 2))


@functools.cache
def _weights() -> tuple[NDArray[np.float32], ...]:
    generator = stream(0, "evaluation.random_network")
    found = []
    before = 1
    for channels in _CHANNELS:
        weights = generator.standard_normal((3, 3, before, channels))
        if before == 1:
            weights -= weights.mean(axis=(0, 1))  # detail; brightness has its own
        # Twice: a rectifier halves the power.
        weights *= np.sqrt(2 / (weights**2).sum(axis=(0, 1, 2)))
        found.append(weights.astype(np.float32))
        before = channels
    return tuple(found)
