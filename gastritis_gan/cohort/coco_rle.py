"""Run lengths as COCO stores masks."""

from __future__ import annotations

import numpy as np


def decode_counts(text: str) -> np.ndarray:
    """Decodes the compressed form of COCO's run lengths.

    Each number is written in groups of five bits, the lowest first, as the character 48
    higher; 32 says that more groups follow. From the fourth on, numbers are differences
    to the one two before.

    Args:
        text: The value of `counts`.

    Returns:
        ndarray of int64: alternating lengths of background and foreground.

    Raises:
        ValueError: The text is cut off or has other characters.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 60:
            raise ValueError("the compressed run lengths are damaged")
        value |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the compressed run lengths are cut off")
    return np.array(counts, np.int64)


def fill_runs(counts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draws run lengths, which go down the columns, the first of them background.

    Args:
        counts: ndarray of int: alternating lengths of background and foreground.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`.

    Raises:
        ValueError: The lengths do not add up to the image.
    """
    height, width = shape
    total = height * width
    if (counts < 0).any() or (counts > total).any() or counts.sum() != total:
        raise ValueError(f"the run lengths do not add up to {width} x {height} pixels")
    values = np.arange(counts.size) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T
