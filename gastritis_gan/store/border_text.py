"""Finds text-like structure in the border of an image, where names are burned in.

Text is many thin strokes. A stroke is brighter or darker than what surrounds it, and
vanishes when the image is opened or closed with a square wider than the stroke
(top-hat). Along the rows of a text one stroke begins soon after another, and so they do
along its columns; the lines and edges of frames and collimators do so in neither. So a
place is text-like where many strokes begin soon after another in both directions.

Noise and anatomy are distinguished by the contrast that is asked for. A false alarm
costs an outside patch, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gastritis_gan.store.patches import PatchGeometry

_STROKE_PX = 15  # the square's side: wider structures are no strokes
_LEAST_CONTRAST = 0.25  # of the grey range
_LEAST_CONTRAST_IN_NOISE = 6.0  # standard deviations of the noise
_REPEATED_WITHIN_PX = 2 * _STROKE_PX  # letters stand closer than that
_LEAST_REPEATS = 10  # one or two small letters have more
_MAD_TO_SIGMA = 1.4826 / np.sqrt(2)  # of differences of neighbours, normal noise


def touches_text(
    image: np.ndarray,
    geometry: PatchGeometry,
    rows: np.ndarray,
    columns: np.ndarray,
    *,
    film: tuple[slice, slice] = (slice(None), slice(None)),
) -> np.ndarray:
    """Returns which patches cover text-like structure in the border band.

    Args:
        image: ndarray of uint8 or uint16 of shape (height, width).
        geometry: The patches; the band is `exclude_border_px` wide.
        rows: ndarray of int of shape (n_patches,), the top rows.
        columns: ndarray of int of shape (n_patches,), the left columns.
        film: The rows and columns that are not padding; the band lies along their edge.

    Returns:
        ndarray of bool of shape (n_patches,), False without a band.
    """
    if not geometry.exclude_border_px:
        return np.zeros(rows.size, bool)
    text = np.zeros(rows.size, bool)
    for tone in (_bright_strokes, _dark_strokes):
        is_stroke = np.zeros(image.shape, bool)
        for place in _band(image[film].shape, geometry.exclude_border_px):
            is_stroke[film][place] |= tone(image[film][place])
        counts = [
            geometry.count_pixels(_repeated(is_stroke, axis), rows, columns)
            for axis in (0, 1)
        ]
        text |= np.minimum(*counts) >= _LEAST_REPEATS
    return text


def _band(shape: tuple[int, ...], width: int) -> Iterator[tuple[slice, slice]]:
    """Yields the four sides of the band."""
    yield slice(0, width), slice(None)
    yield slice(max(0, shape[0] - width), None), slice(None)
    yield slice(None), slice(0, width)
    yield slice(None), slice(max(0, shape[1] - width), None)


def _bright_strokes(side: np.ndarray) -> np.ndarray:
    """Returns the pixels of one side of the band that a white top-hat leaves."""
    opened = _running(_running(side, np.minimum), np.maximum)
    strokes: np.ndarray = side - opened >= _least_contrast(side)
    return strokes


def _dark_strokes(side: np.ndarray) -> np.ndarray:
    return _bright_strokes(np.iinfo(side.dtype).max - side)


def _least_contrast(side: np.ndarray) -> float:
    steps = np.abs(np.diff(side.ravel().astype(np.int32)))  # of neighbours, mostly
    noise = _MAD_TO_SIGMA * float(np.median(steps))
    grey_range = float(np.iinfo(side.dtype).max)
    return float(max(_LEAST_CONTRAST * grey_range, _LEAST_CONTRAST_IN_NOISE * noise))


def _running(
    image: np.ndarray, extreme: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Returns the extreme of the square about every pixel; the edge is repeated."""
    image = np.pad(image, _STROKE_PX // 2, mode="edge")
    for _ in range(2):
        width = 1
        while width < _STROKE_PX:  # the extreme of two windows is that of their union
            step = min(width, _STROKE_PX - width)
            image = extreme(image[:-step], image[step:])
            width += step
        image = image.T
    return image


def _repeated(mask: np.ndarray, axis: int) -> np.ndarray:
    """Returns where a stroke begins along `axis`, a little after another has."""
    along = np.moveaxis(mask, axis, 0)
    begins = along.copy()
    begins[1:] &= ~along[:-1]
    before = np.cumsum(begins, axis=0, dtype=np.int32) - begins
    far = np.zeros_like(before)
    far[_REPEATED_WITHIN_PX:] = before[:-_REPEATED_WITHIN_PX]
    return np.moveaxis(begins & (before > far), 0, axis)
