"""Reads what a compressed frame itself declares."""

from __future__ import annotations

import dataclasses
import math
import struct
from typing import BinaryIO

from gastritis_gan.cohort.dicom.encapsulated import read_frame

_JPEG_START = b"\xff\xd8"
_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ
_J2K_WITHIN_BYTES = 1 << 16  # a JP2 file has boxes before it
_END = b"\xff\xd9"
_END_WITHIN_BYTES = 64  # padding may follow
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # F7: JPEG-LS
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}
_COD, _SOT = 0xFF52, 0xFF90


@dataclasses.dataclass(frozen=True, kw_only=True)
class Codestream:
    """The frame header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    A decoder takes memory for what the codestream declares, whatever the DICOM header
    around it says.

    Attributes:
        start: Where it begins in the frame.
        width: Pixels.
        height: Pixels.
        components: Samples a pixel.
        bits: Precision of a sample.
        tiles: Number of tiles (JPEG 2000), else 1.
        code_blocks: Number of code blocks (JPEG 2000), else 0.
        is_high_throughput: Whether the code blocks are HTJ2K's.
    """

    start: int
    width: int
    height: int
    components: int
    bits: int
    tiles: int = 1
    code_blocks: int = 0
    is_high_throughput: bool = False


def read_codestream(frame: BinaryIO) -> Codestream:
    """Reads the frame header; no pixel is read.

    Args:
        frame: The compressed frame.

    Raises:
        ValueError: There is no frame header.
    """
    frame.seek(0)
    head = frame.read(_J2K_WITHIN_BYTES)
    if head.startswith(_JPEG_START):
        return _read_jpeg(frame)
    start = head.find(_J2K_START)
    if start < 0:
        raise ValueError("neither a JPEG nor a JPEG 2000 codestream")
    return _read_j2k(frame, start)


def read_to_end_marker(frame: BinaryIO) -> bytearray:
    """Returns the whole frame; decoders fill up one that is cut off, and say nothing.

    Raises:
        ValueError: It does not end with EOI, which is EOC in JPEG 2000.
    """
    content = read_frame(frame)
    if _END not in content[-_END_WITHIN_BYTES:]:
        raise ValueError("the codestream is cut off: it has no end")
    return content


def _read_jpeg(frame: BinaryIO) -> Codestream:
    position = len(_JPEG_START)
    while True:
        prefix, marker = _unpack(">BB", frame, position)
        if prefix != 0xFF:
            raise ValueError("a JPEG marker is missing")
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _SOF:  # ISO 10918-1 B.2.2: length, precision, height, width
            bits, height, width, components = _unpack(">BHHB", frame, position + 4)
            return Codestream(
                start=0, width=width, height=height, components=components, bits=bits
            )
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            (length,) = _unpack(">H", frame, position + 2)
            position += 2 + length


def _read_j2k(frame: BinaryIO, start: int) -> Codestream:
    # SIZ (ISO 15444-1 A.5.1): length, capabilities, then 32-bit sizes: image area, its
    # origin, tile, the tiles' origin; components, and of the first the precision
    length = _unpack(">H", frame, start + 4)[0]
    x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0, components, precision = (
        _unpack(">8IHB", frame, start + 8)
    )
    if not (tile_width and tile_height and x0 < x1 and y0 < y1):
        raise ValueError("the codestream's size or its tiles' size is 0")
    columns = -(-(x1 - tile_x0) // tile_width)
    rows = -(-(y1 - tile_y0) // tile_height)
    tile = (min(tile_width, x1 - x0), min(tile_height, y1 - y0))
    coding_style = _find_coding_style(frame, start + 4 + length)
    return Codestream(
        start=start,
        width=x1 - x0,
        height=y1 - y0,
        components=components,
        bits=(precision & 0x7F) + 1,  # the highest bit is the sign
        tiles=columns * rows,
        code_blocks=columns * rows * _blocks_of_tile(frame, coding_style, tile),
        is_high_throughput=bool(_unpack("B", frame, coding_style + 12)[0] & 0x40),
    )


def _find_coding_style(frame: BinaryIO, position: int) -> int:
    """Returns the position of COD, which stands in the main header (A.6.1)."""
    marker, length = _unpack(">HH", frame, position)
    while marker != _COD:
        if marker == _SOT:
            raise ValueError("the codestream has no coding style")
        position += 2 + length
        marker, length = _unpack(">HH", frame, position)
    return position


def _blocks_of_tile(frame: BinaryIO, position: int, tile: tuple[int, int]) -> int:
    """Counts a tile's code blocks by COD."""
    style, levels, *exponents = _unpack(">B4x3B", frame, position + 4)
    count = 0
    for resolution in range(levels + 1):
        sides = [exponent + 2 for exponent in exponents]
        is_lowest = resolution == 0
        if style & 1:  # precincts: a code block does not reach beyond its own
            (precinct,) = _unpack("B", frame, position + 14 + resolution)
            limits = [precinct & 15, precinct >> 4]
            sides = [
                min(side, max(limit - (not is_lowest), 0))
                for side, limit in zip(sides, limits, strict=True)
            ]
        halvings = levels - max(resolution - 1, 0)
        blocks = [
            math.ceil(pixels / (1 << (halvings + side)))
            for pixels, side in zip(tile, sides, strict=True)
        ]
        count += math.prod(blocks) * (1 if is_lowest else 3)
    return count


def _unpack(layout: str, frame: BinaryIO, position: int) -> tuple[int, ...]:
    frame.seek(position)
    try:
        return struct.unpack(layout, frame.read(struct.calcsize(layout)))
    except struct.error:
        raise ValueError("the codestream's header is cut off") from None
