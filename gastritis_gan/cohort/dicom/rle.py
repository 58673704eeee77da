"""Decodes RLE Lossless (PS3.5 G)."""

from __future__ import annotations

import struct

import numpy as np

_HEADER_BYTES = 64  # the number of segments, and the offsets of up to 15


def decode_rle(frame: bytearray, *, num_pixels: int, num_bytes: int) -> np.ndarray:
    """Decodes a greyscale frame.

    Args:
        frame: The compressed frame.
        num_pixels: How many pixels it has.
        num_bytes: Bytes of a pixel; a segment each, the highest first.

    Returns:
        ndarray of uint8 or uint16 of shape (num_pixels,).

    Raises:
        ValueError: The frame is damaged.
    """
    if len(frame) < _HEADER_BYTES:
        raise ValueError("the RLE header is cut off")
    num_segments, *offsets = struct.unpack_from("<16I", frame)
    if num_segments != num_bytes:
        raise ValueError(f"{num_segments} RLE segments, where {num_bytes} are needed")
    ends = [*offsets[1:num_segments], len(frame)]
    pixels = np.zeros(num_pixels, f"<u{num_bytes}")
    planes = pixels.view(np.uint8).data
    for segment, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        plane = planes[num_bytes - 1 - segment :: num_bytes]
        _unpack_bits(memoryview(frame)[start:end], plane)
    return pixels.astype(f"u{num_bytes}", copy=False)


def _unpack_bits(packed: memoryview, out: memoryview) -> None:
    """Unpacks PackBits (G.3.2) until `out` is full."""
    position = filled = 0
    while filled < len(out):
        if position + 1 >= len(packed):
            raise ValueError("an RLE segment is cut off")
        code = packed[position]
        if code < 128:
            run = packed[position + 1 : position + 2 + code]
            position += 2 + code
        elif code > 128:
            run = memoryview(bytes([packed[position + 1]]) * (257 - code))
            position += 2
        else:
            position += 1
            continue
        run = run[: len(out) - filled]
        out[filled : filled + len(run)] = run
        filled += len(run)
