"""Reads the size that a compressed frame itself declares."""

from __future__ import annotations

import struct

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # F7: JPEG-LS
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}


def frame_size(frame: bytes) -> tuple[int, int, int]:
    """Returns the size in the frame header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    A decoder takes memory for the size in the codestream, whatever the DICOM header
    around it says.

    Args:
        frame: The compressed frame.

    Returns:
        Width, height and number of components.

    Raises:
        ValueError: There is no frame header.
    """
    if frame.startswith(_JPEG_START):
        return _jpeg_size(frame)
    start = frame.find(_J2K_START)  # a JP2 file has boxes before it
    if start < 0:
        raise ValueError("neither a JPEG nor a JPEG 2000 codestream")
    # SIZ (ISO 15444-1 A.5.1): length, capabilities, then 32-bit sizes
    x_end, y_end, x_start, y_start = _unpack(">4I", frame, start + 8)
    (components,) = _unpack(">H", frame, start + 40)
    return x_end - x_start, y_end - y_start, components


def _jpeg_size(frame: bytes) -> tuple[int, int, int]:
    position = len(_JPEG_START)
    while True:
        prefix, marker = _unpack(">BB", frame, position)
        if prefix != 0xFF:
            raise ValueError("a JPEG marker is missing")
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _SOF:  # ISO 10918-1 B.2.2: length, precision, height, width
            height, width, components = _unpack(">HHB", frame, position + 5)
            return width, height, components
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            (length,) = _unpack(">H", frame, position + 2)
            position += 2 + length


def _unpack(layout: str, frame: bytes, position: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, frame, position)
    except struct.error:
        raise ValueError("the codestream's header is cut off") from None
