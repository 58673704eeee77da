"""Features of textures by oriented wavelets: no training and no download."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

_NUM_ANGLES = 4
_RADIUS = 3  # pixels; a wavelet has 7 x 7
_WIDTH = 1.4  # pixels, of its Gaussian envelope
_WAVELENGTH = 4.0  # pixels
_SMALLEST = 4  # side of the coarsest octave
_CHUNK_PIXELS = 250 * 32 * 32
_LEAST_DEVIATION = 0.02  # added before a logarithm; one unit is 64 grey levels
_LEAST_SQUARE = 1e-4


def wavelet_features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns logarithms of how much detail there is, by octave and angle.

    A scattering transform in two orders: the moduli of four complex Gabor wavelets at
    every octave; and the moduli of these moduli at coarser octaves, relative to their
    means. With them come the mean and the standard deviation of the pixels.

    Args:
        images: Shape `(n, size, size, 1)`, 0 to 255; size is a power of two from 4.

    Returns:
        Shape `(n, dim)`; dim depends on the size: 194 at 32 pixels.

    Reference: [Bruna and Mallat, 2013](https://arxiv.org/abs/1203.1513), with
    wavelets and normalisation of our own.
    """
    size = max(1, _CHUNK_PIXELS // images[0].size)
    chunks = [images[start : start + size] for start in range(0, len(images), size)]
    return np.concatenate([_features(chunk) for chunk in chunks])


def _features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    pixels = tf.constant(images.astype(np.float32) / 64 - 2)
    found = [_mean(pixels), _log_deviation(pixels, 1.0)]
    for octave in _octaves(pixels):
        moduli = _moduli(octave)
        means = _mean(moduli)
        found += [tf.math.log(means), _log_deviation(moduli, means)]
        number, height, width, angles = moduli.shape
        maps = tf.reshape(
            tf.transpose(moduli, (0, 3, 1, 2)), (number * angles, height, width, 1)
        )
        for coarser in _octaves(maps):
            second = tf.reshape(_mean(_moduli(coarser)), (number, angles**2))
            found.append(tf.math.log(second / tf.repeat(means, angles, axis=1)))
    return np.concatenate([part.numpy() for part in found], axis=1, dtype=np.float64)


def _octaves(maps: Any) -> list[Any]:
    """Returns the maps, and means of 2 x 2, 4 x 4, ... pixels of them."""
    octaves = [maps]
    while octaves[-1].shape[1] >= 2 * _SMALLEST:
        octaves.append(tf.nn.avg_pool2d(octaves[-1], 2, 2, "VALID"))
    return octaves


def _moduli(maps: Any) -> Any:
    margin = (_RADIUS, _RADIUS)
    padded = tf.pad(maps, ((0, 0), margin, margin, (0, 0)), "REFLECT")
    parts = tf.nn.conv2d(padded, _wavelets(), 1, "VALID")
    real, imaginary = parts[..., :_NUM_ANGLES], parts[..., _NUM_ANGLES:]
    return tf.sqrt(real**2 + imaginary**2 + _LEAST_SQUARE)


def _mean(maps: Any) -> Any:
    return tf.reduce_mean(maps, (1, 2))


def _log_deviation(maps: Any, scale: Any) -> Any:
    return tf.math.log(tf.math.reduce_std(maps, (1, 2)) / scale + _LEAST_DEVIATION)


@functools.cache
def _wavelets() -> NDArray[np.float32]:
    """Returns real, then imaginary parts: zero mean, unit length, `(7, 7, 1, 8)`."""
    rows, columns = np.mgrid[-_RADIUS : _RADIUS + 1, -_RADIUS : _RADIUS + 1]
    envelope = np.exp(-(rows**2 + columns**2) / (2 * _WIDTH**2))
    parts = []
    for part in (np.cos, np.sin):
        for number in range(_NUM_ANGLES):
            angle = np.pi * number / _NUM_ANGLES
            along = columns * np.cos(angle) + rows * np.sin(angle)
            wavelet = envelope * part(2 * np.pi * along / _WAVELENGTH)
            wavelet -= envelope * wavelet.sum() / envelope.sum()
            parts.append(wavelet / np.linalg.norm(wavelet))
    return np.stack(parts, axis=-1)[:, :, None].astype(np.float32)
