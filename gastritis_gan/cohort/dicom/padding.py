"""Tells padding from pixels."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from gastritis_gan.cohort.cohort_error import quoting


def is_padding(stored_values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Says which stored values stand for no pixel (PS3.3 C.7.5.1.1.2).

    They are PixelPaddingValue or, with a PixelPaddingRangeLimit, all between the two.

    Args:
        stored_values: ndarray of int.
        dataset: The attributes of the image.

    Returns:
        ndarray of bool of the same shape.

    Raises:
        InputError: The values are no whole numbers.
    """
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored_values.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    try:
        ends = [
            _as_stored(int(end), dataset) for end in (value, limit) if end is not None
        ]
    except (TypeError, ValueError):
        raise quoting(
            "(0028,0120) PixelPaddingValue and (0028,0121) PixelPaddingRangeLimit must "
            "be whole numbers.",
            (value, limit),
        ) from None
    padding: np.ndarray = (stored_values >= min(ends)) & (stored_values <= max(ends))
    return padding


def _as_stored(value: int, dataset: Dataset) -> int:
    """Reads a value as the pixels are: files often write -2000 as 63536."""
    bits = dataset.BitsStored
    value &= (1 << bits) - 1
    if dataset.PixelRepresentation == 1 and value >> (bits - 1):
        value -= 1 << bits
    return value
