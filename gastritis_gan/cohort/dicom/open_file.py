"""Opens a DICOM file so that no length in it can make a reader take memory."""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pydicom.filereader
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from gastritis_gan.errors import InputError

_CHUNK_BYTES = 1 << 16
_META_GROUP = 0x0002
# A file whose only meta information is TransferSyntaxUID, Explicit VR Little Endian.
_PLAIN_START = bytes(128) + b"DICM\x02\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0"


class _BoundedFile(io.BufferedReader):
    """A file of which a read takes no more memory than is left to read."""

    def __init__(self, path: Path):
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _CHUNK_BYTES:
            size = min(size, max(self._size - self.tell(), 0))
        return super().read(size)


@contextlib.contextmanager
def open_dicom(path: Path, *, max_inflated_bytes: int) -> Iterator[BinaryIO]:
    """Opens a file for reading, at its start.

    A deflated file is inflated in memory and looks like one that never was.

    Args:
        path: The file.
        max_inflated_bytes: The size at which to stop inflating.

    Raises:
        InputError: The file inflates to more than that.
        Exception: The file is not DICOM, or its meta information is damaged.
    """
    with _BoundedFile(path) as file:
        pydicom.filereader.read_preamble(file, force=False)
        meta = pydicom.filereader.read_dataset(
            file, is_implicit_VR=False, is_little_endian=True, stop_when=_is_after_meta
        )
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            yield _inflate(file, max_inflated_bytes)
        else:
            file.seek(0)
            yield file


def _is_after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return bool(tag.group != _META_GROUP)


def _inflate(file: BinaryIO, max_bytes: int) -> io.BytesIO:
    """Inflates the rest of `file` (PS3.5 A.5); pydicom would, to whatever size."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO()
    inflated.write(_PLAIN_START)
    chunk = file.read(_CHUNK_BYTES)
    while chunk and not inflater.eof:
        inflated.write(inflater.decompress(chunk, _CHUNK_BYTES))
        if inflated.tell() > max_bytes:
            raise InputError(
                "(0002,0010) TransferSyntaxUID is Deflated Explicit VR Little Endian, "
                f"and the file inflates to more than {max_bytes >> 20} MiB."
            )
        chunk = inflater.unconsumed_tail or file.read(_CHUNK_BYTES)
    inflated.seek(0)
    return inflated
