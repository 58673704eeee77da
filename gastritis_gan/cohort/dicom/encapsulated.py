"""A compressed frame as a file of its own, read from where it lies."""

from __future__ import annotations

import bisect
import io
import itertools
import struct
from typing import Any, BinaryIO

import pydicom
import pydicom.encaps
from pydicom.dataset import Dataset

from gastritis_gan.cohort.dicom.header import num_frames

_ITEM_HEADER_BYTES = 8  # tag and length


def open_frame(stream: BinaryIO, header: Dataset, *, frame: int) -> BinaryIO:
    """Finds a compressed frame.

    The only frame of a file is read from the file when it is asked for; one of several
    is in memory.

    Args:
        stream: The file, as `open_data_set` opens it.
        header: Its attributes.
        frame: Number of the frame, from 1.

    Returns:
        The frame for reading; `stream` must stay open.

    Raises:
        Exception: The items are damaged.
    """
    offsets = None
    if "ExtendedOffsetTable" in header and "ExtendedOffsetTableLengths" in header:
        offsets = (header.ExtendedOffsetTable, header.ExtendedOffsetTableLengths)
    skip_to_pixels(stream, header)
    if num_frames(header) > 1:
        return io.BytesIO(
            pydicom.encaps.get_frame(
                stream,
                frame - 1,
                number_of_frames=num_frames(header),
                extended_offsets=offsets,
            )
        )
    pydicom.encaps.parse_basic_offsets(stream)
    _, starts = pydicom.encaps.parse_fragments(stream)
    end = stream.seek(0, io.SEEK_END)
    pieces = []
    for start in starts:
        stream.seek(start + 4)
        (length,) = struct.unpack("<I", stream.read(4))
        if start + _ITEM_HEADER_BYTES + length > end:
            raise ValueError("a fragment is cut off")
        pieces.append((start + _ITEM_HEADER_BYTES, length))
    return io.BufferedReader(_Pieces(stream, pieces))


def skip_to_pixels(stream: BinaryIO, header: Dataset) -> str:
    """Moves to the value of PixelData and returns its VR, empty where it is implicit.

    Args:
        stream: The file, as `open_data_set` opens it.
        header: Its attributes.
    """
    stream.seek(0)
    pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=["Rows"])
    is_implicit, _ = header.original_encoding
    # the element's tag, and its length or, if explicit, VR and length
    element = stream.read(8 if is_implicit else 12)
    return "" if is_implicit else element[4:6].decode("ascii", "replace")


def read_frame(frame: BinaryIO) -> bytearray:
    """Returns a whole frame; every byte is in memory once."""
    size = frame.seek(0, io.SEEK_END)
    frame.seek(0)
    content = bytearray(size)
    view = memoryview(content)
    while view and (num_read := frame.readinto(view)):  # type: ignore[attr-defined]
        view = view[num_read:]
    return content


class _Pieces(io.RawIOBase):
    """Pieces of a file, one after another."""

    def __init__(self, stream: Any, pieces: list[tuple[int, int]]) -> None:
        self._stream = stream
        self._pieces = pieces
        self._ends = list(itertools.accumulate(length for _, length in pieces))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self._ends[-1] if self._ends else 0
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        number = bisect.bisect_right(self._ends, self._position)
        if number == len(self._ends):
            return 0
        start, length = self._pieces[number]
        left = self._ends[number] - self._position
        self._stream.seek(start + length - left)
        num_read = self._stream.readinto(memoryview(buffer)[:left])
        self._position += num_read
        return int(num_read)
