"""Decodes JPEG 2000 part by part, and HTJ2K."""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np

from gastritis_gan.cohort.dicom.codestream import Codestream, read_to_end_marker
from gastritis_gan.cohort.dicom.openjpeg import OpenJpegDecoder

# OpenJPEG holds some twenty bytes a pixel of the part that it decodes, and, until the
# decoder is closed, some bytes a code block of the whole for every part.
_PARTS_DOWN, _PARTS_ACROSS = 32, 4
_PARTS_OF_TILES = 16
_LEAST_COLUMNS_PX = 256
_LEAST_PX = 64  # the side of most code blocks
# What it holds for each tile and code block, whatever their size.
_BYTES_OF_TILE, _BYTES_OF_CODE_BLOCK = 6000, 700
_FREE_BYTES = 1 << 20


def decode_jpeg2000(frame: BinaryIO, codestream: Codestream) -> np.ndarray:
    """Decodes a greyscale frame.

    Args:
        frame: The compressed frame.
        codestream: Its header.

    Returns:
        ndarray of uint8 or uint16 of shape (height, width), of which the lowest bits
        hold the value, also a negative one.

    Raises:
        ImportError: Pillow is not linked to OpenJPEG.
        ValueError: The frame is damaged, or cut into very small parts.
    """
    height, width = codestream.height, codestream.width
    pixels = np.empty((height, width), np.uint8 if codestream.bits <= 8 else np.uint16)
    held = codestream.tiles * _BYTES_OF_TILE
    held += codestream.code_blocks // codestream.tiles * _BYTES_OF_CODE_BLOCK
    if held > max(pixels.nbytes, _FREE_BYTES):
        raise ValueError(
            f"{codestream.tiles} tiles with {codestream.code_blocks} code blocks would "
            "take more memory than the image"
        )
    size = frame.seek(0, io.SEEK_END)
    for parts in _parts(codestream):
        with OpenJpegDecoder(frame, start=codestream.start, size=size) as decoder:
            for top, bottom, left, right in parts:
                part = decoder.area(top, bottom, left, right)
                pixels[top:bottom, left:right] = part
    return pixels


def decode_htj2k(frame: BinaryIO) -> np.ndarray:
    """Decodes a frame of high throughput (HTJ2K), which OpenJPEG can only do whole.

    Returns:
        ndarray of an 8- or 16-bit integer dtype of shape (height, width).

    Raises:
        ImportError: imagecodecs is not installed, or is that of Python 3.10.
        Exception: The frame is damaged.
    """
    from imagecodecs import htj2k_decode

    pixels: np.ndarray = htj2k_decode(read_to_end_marker(frame))
    return pixels


def _parts(codestream: Codestream) -> list[list[tuple[int, int, int, int]]]:
    """Returns what to decode (top, bottom, left, right), in a list per decoder."""
    height, width = codestream.height, codestream.width
    if codestream.tiles > 1:
        step = max(-(-height // _PARTS_OF_TILES), _LEAST_PX)
        return [[(top, bottom, 0, width)] for top, bottom in _ranges(height, step)]
    down = max(-(-height // _PARTS_DOWN), _LEAST_PX)
    across = max(-(-width // _PARTS_ACROSS), _LEAST_COLUMNS_PX)
    return [
        [(top, bottom, left, right) for top, bottom in _ranges(height, down)]
        for left, right in _ranges(width, across)
    ]


def _ranges(stop: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, stop)) for start in range(0, stop, step)]
