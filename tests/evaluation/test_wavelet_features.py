"""Wavelet features against loops of SciPy, and what they are to see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate2d

from gastritis_gan.evaluation.wavelet_features import wavelet_features

RNG = np.random.default_rng(3)


def moduli(image):
    """Of Gabor wavelets: 7 x 7 pixels, wavelength 4, envelope 1.4, four angles."""
    grid = np.arange(-3, 4)
    envelope = np.exp(-np.add.outer(grid**2, grid**2) / (2 * 1.4**2))
    padded = np.pad(image, 3, mode="reflect")
    for degrees in (0, 45, 90, 135):
        turn = np.deg2rad(degrees)
        along = np.add.outer(grid * np.sin(turn), grid * np.cos(turn))
        squares = np.full(image.shape, 1e-4)
        for wave in (np.cos(np.pi / 2 * along), np.sin(np.pi / 2 * along)):
            wavelet = envelope * wave
            wavelet = wavelet - envelope * wavelet.sum() / envelope.sum()
            wavelet /= np.sqrt((wavelet**2).sum())
            squares += correlate2d(padded, wavelet, mode="valid") ** 2
        yield np.sqrt(squares)


def halve(image):
    return image.reshape(len(image) // 2, 2, -1, 2).mean(axis=(1, 3))


def expected_features(image):
    image = image / 64.0 - 2
    found = [image.mean(), np.log(image.std() + 0.02)]
    while True:
        first = list(moduli(image))
        found += [np.log(one.mean()) for one in first]
        found += [np.log(one.std() / one.mean() + 0.02) for one in first]
        means, maps = [one.mean() for one in first], first
        while True:
            found += [
                np.log(second.mean() / mean)
                for one, mean in zip(maps, means, strict=True)
                for second in moduli(one)
            ]
            if len(maps[0]) < 8:
                break
            maps = [halve(one) for one in maps]
        if len(image) < 8:
            return np.array(found)
        image = halve(image)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_features_are_those_of_loops(size):
    images = RNG.integers(0, 256, (3, size, size, 1)).astype(np.uint8)
    actual = wavelet_features(images)
    for row, image in zip(actual, images[..., 0], strict=True):
        np.testing.assert_allclose(row, expected_features(image), atol=2e-4)


def test_number_of_features():
    # Two of pixels; at four octaves 8 of first order, and 16 for each of 4, 3, 2, 1.
    assert wavelet_features(np.zeros((2, 32, 32, 1), np.uint8)).shape == (2, 194)


def test_an_image_does_not_depend_on_its_chunk():
    images = RNG.integers(0, 256, (300, 32, 32, 1)).astype(np.uint8)
    whole, alone = wavelet_features(images), wavelet_features(images[270:272])
    np.testing.assert_allclose(whole[270:272], alone, atol=1e-5)
