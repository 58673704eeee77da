"""Images of a store that are the same image, or nearly so.

A copy under a second patient's name can put one image into training and test at once; a
copy under a second label teaches both classes the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from PIL import Image

from gastritis_gan.store.store import Store

_MEAN_IMAGE_PX = 64
_FREQUENCIES = 16
# Of 255 bits. On 40 phantoms and 110 mini-MIAS mammograms different patients differ in
# 60 or more, and an image from its copy with noise, a gamma of 1.3, less contrast, JPEG
# at quality 50, half the size or a shift by 1 % in 34 or fewer.
_NEAR_BITS = 38
_ROWS_AT_ONCE = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Duplicate:
    """Two images that look the same.

    Attributes:
        first: Key of an image.
        second: Key of the other.
        is_exact: True when every pixel is equal.
        two_patients: True when they are of different patients.
        two_labels: True when they have different labels.
        straddles_split: True when they lie on different sides of the split.
    """

    first: str
    second: str
    is_exact: bool
    two_patients: bool
    two_labels: bool
    straddles_split: bool

    @property
    def problem(self) -> str:
        """What is wrong with the two, as the end of a sentence about them."""
        under = [
            what
            for what, differ in (
                ("two patients", self.two_patients),
                ("two labels", self.two_labels),
            )
            if differ
        ]
        kind = "are the same image" if self.is_exact else "look the same"
        text = f"{kind} under {' and '.join(under) or 'two names'}"
        return text + ", on different sides of the split" * self.straddles_split

    def __str__(self) -> str:
        return f"{self.first} and {self.second} {self.problem}"


def find_duplicates(store: Store) -> list[Duplicate]:
    """Finds images that are there twice; reads every image once.

    Exact duplicates have equal pixels (SHA-256). Near duplicates differ in at most 38
    of the 255 bits of `perceptual_hash`; those of one patient under one label are left
    out, for examinations hold films that look alike.

    Returns:
        The pairs in the order of the store's images.
    """
    if len(store.images) < 2:
        return []
    hashes = np.stack(
        [perceptual_hash(store.image(index)) for index in range(len(store.images))]
    )
    duplicates = []
    for i, j in _near_pairs(hashes):
        first, second = store.images[i], store.images[j]
        duplicate = Duplicate(
            first=first.key,
            second=second.key,
            is_exact=first.sha256 == second.sha256,
            two_patients=first.patient != second.patient,
            two_labels=first.label != second.label,
            straddles_split=first.split != second.split,
        )
        if duplicate.is_exact or duplicate.two_patients or duplicate.two_labels:
            duplicates.append(duplicate)
    return duplicates


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """Returns which low frequencies of an image are stronger than their median.

    The image is averaged to 64 x 64 pixels; of its discrete cosine transform the 16 x
    16 lowest frequencies without the constant are kept. Noise, compression, brightness,
    contrast and size hardly change the bits.

    Args:
        image: ndarray of uint8 or uint16 of shape (height, width).

    Returns:
        ndarray of bool of shape (255,).
    """
    grey = np.asarray(image)
    if grey.dtype == np.uint16:  # the means need no more than the upper 8 bits
        grey = (grey >> 8).astype(np.uint8)
    size = (_MEAN_IMAGE_PX, _MEAN_IMAGE_PX)
    means = Image.fromarray(grey).resize(size, Image.Resampling.BOX)
    position = np.arange(_MEAN_IMAGE_PX) + 0.5
    frequency = np.arange(_FREQUENCIES)[:, np.newaxis]
    cosines = np.cos(np.pi / _MEAN_IMAGE_PX * frequency * position)  # DCT-II
    spectrum = (cosines @ np.asarray(means, np.float64) @ cosines.T).ravel()[1:]
    bits: np.ndarray = spectrum > np.median(spectrum)
    return bits


def _near_pairs(hashes: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields i < j with hashes of shape (n, bits) that differ in few bits."""
    signs = np.where(hashes, 1, -1).astype(np.float32)
    for start in range(0, len(signs), _ROWS_AT_ONCE):
        # Equal bits give +1, different ones -1: n - 2 * distance, exact in float32.
        agreement = signs[start : start + _ROWS_AT_ONCE] @ signs.T
        is_near = agreement >= hashes.shape[1] - 2 * _NEAR_BITS
        for i, j in np.argwhere(is_near):
            if start + i < j:
                yield int(start + i), int(j)
