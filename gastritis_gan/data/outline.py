"""Reads the outline of the organ: a mask of the image's own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gastritis_gan.data.image_file import is_png_or_tiff, read_grey_file
from gastritis_gan.errors import InputError


def read_outline(path: Path, *, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a greyscale PNG or TIFF mask; whatever is not 0 is the organ.

    Args:
        path: The file.
        shape: Height and width of the image in pixels.

    Returns:
        ndarray of bool of shape `shape`, True inside the organ.

    Raises:
        InputError: The file cannot be read, is of another kind or size, or is empty.
    """
    if not is_png_or_tiff(path):
        raise InputError(f"{path}: an outline must be a PNG or TIFF mask.")
    mask: np.ndarray = read_grey_file(path) != 0
    if mask.shape != shape:
        raise InputError(
            f"{path}: the outline is {mask.shape[1]} x {mask.shape[0]} pixels (width x "
            f"height), its image {shape[1]} x {shape[0]}; draw it on the image itself, "
            "at full size."
        )
    if not mask.any():
        raise InputError(
            f"{path}: the outline is empty; mark the organ with values above 0."
        )
    return mask
