"""The layers as loops, written from the formulas of Karras et al. 2018, in float64."""

from __future__ import annotations

import math

import numpy as np


def equalized_conv2d(x, kernel, bias, gain):
    """Section 4.1: kernel times gain / sqrt(fan_in), zero padding, bias as it is."""
    size, _, channels, filters = kernel.shape
    kernel = kernel.astype(np.float64) * (gain / math.sqrt(size * size * channels))
    edge = ((size - 1) // 2, size // 2)
    padded = np.pad(x.astype(np.float64), ((0, 0), edge, edge, (0, 0)))
    outputs = np.zeros((*x.shape[:3], filters))
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            window = padded[:, row : row + size, column : column + size]
            outputs[:, row, column] = np.einsum("nhwc,hwcf->nf", window, kernel)
    return outputs + bias


def repeat_pixels(x):
    return np.kron(x, np.ones((1, 2, 2, 1)))


def mean_of_2x2_pixels(x):
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def pixel_normalization(x, epsilon=1e-8):
    """Section 4.2."""
    x = x.astype(np.float64)
    outputs = np.empty_like(x)
    for pixel in np.ndindex(x.shape[:-1]):
        features = x[pixel]
        outputs[pixel] = features / math.sqrt(np.mean(features**2) + epsilon)
    return outputs


def minibatch_std_dev(x, group_size, epsilon=1e-8):
    """Section 3, with the original's strided groups and biased variance."""
    group_size = min(group_size, len(x))
    num_groups = len(x) // group_size
    channel = np.empty((*x.shape[:-1], 1))
    for group in range(num_groups):
        members = range(group, len(x), num_groups)
        samples = x[members].astype(np.float64)
        deviations = []
        for position in np.ndindex(samples.shape[1:]):
            values = [sample[position] for sample in samples]
            mean = sum(values) / group_size
            variance = sum((value - mean) ** 2 for value in values) / group_size
            deviations.append(math.sqrt(variance + epsilon))
        channel[members] = sum(deviations) / len(deviations)
    return np.concatenate([x, channel], axis=-1)
