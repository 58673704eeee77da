"""Decodes JPEG and JPEG-LS with no more memory than codestream and pixels take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from gastritis_gan.cohort.dicom.codestream import read_to_end_marker

_ROWS_AT_ONCE = 64


def decode_baseline(frame: BinaryIO) -> np.ndarray:
    """Decodes lossy JPEG of 8 bits.

    Args:
        frame: The compressed frame.

    Returns:
        ndarray of uint8 of shape (height, width).

    Raises:
        Exception: The frame is damaged.
    """
    frame.seek(0)
    with Image.open(frame, formats=("JPEG",)) as image:
        image.load()
        pixels = np.empty((image.height, image.width), np.uint8)
        for top in range(0, image.height, _ROWS_AT_ONCE):  # as a whole it is copied
            rows = pixels[top : top + _ROWS_AT_ONCE]
            part = image.crop((0, top, image.width, top + len(rows)))
            rows[:] = np.asarray(part)
    return pixels


def decode_lossless(frame: BinaryIO) -> np.ndarray:
    """Decodes lossless JPEG (process 14), or lossy JPEG of 12 bits.

    Args:
        frame: The compressed frame.

    Returns:
        ndarray of uint8 or uint16 of shape (height, width).

    Raises:
        ImportError: imagecodecs is not installed.
        Exception: The frame is damaged.
    """
    from imagecodecs import jpeg8_decode

    return _decode(jpeg8_decode, frame)


def decode_jpeg_ls(frame: BinaryIO) -> np.ndarray:
    """Decodes JPEG-LS, lossless or near-lossless; see `decode_lossless`."""
    from imagecodecs import jpegls_decode

    return _decode(jpegls_decode, frame)


def _decode(decode: Callable[[Any], np.ndarray], frame: BinaryIO) -> np.ndarray:
    return decode(read_to_end_marker(frame))
