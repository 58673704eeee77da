"""Reads what a DICOM file says of its pixels, and refuses what cannot be decoded."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
import pydicom.datadict
import pydicom.filereader
from pydicom.dataset import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from gastritis_gan.data.dicom.refusal import refusal
from gastritis_gan.errors import InputError

MAX_PIXELS = 1 << 27  # 16,384 x 8,192: beyond any detector; 256 MiB at 16 bits
_MAX_INFLATED_BYTES = 2 * MAX_PIXELS + (16 << 20)
_CHUNK_BYTES = 1 << 20

_PIXEL_KEYWORDS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)


def read_header(path: Path, keywords: Iterable[str]) -> Dataset:
    """Reads the attributes that describe the pixels, and `keywords`; no other.

    Nothing else is read, so no attribute of the patient is ever in memory. No pixel is
    read either: what a file declares is compared with its size before memory is taken.

    Args:
        path: The file.
        keywords: DICOM keywords of further attributes.

    Returns:
        The attributes, every one of them readable, with `file_meta`.

    Raises:
        InputError: The file is not DICOM, is damaged, holds no pixels, or fewer than it
            declares, or more than any radiograph.
    """
    tags = [*_PIXEL_KEYWORDS, *keywords]
    with refusal(path, "cannot be read as DICOM"), path.open("rb") as stream:
        _check_inflated_size(stream)
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=tags)
        _check_values(header)
        syntax = header.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise InputError(
                "has no (0002,0010) TransferSyntaxUID, so it cannot be decoded."
            )
        if syntax == DeflatedExplicitVRLittleEndian:
            present = _MAX_INFLATED_BYTES  # counted when it is decoded
        else:  # the stream is at the pixels' tag, or at the end
            present = os.fstat(stream.fileno()).st_size - stream.tell()
        if present == 0:
            raise InputError("has no (7FE0,0010) PixelData, so it is not an image.")
        _check_size(header, UID(syntax), present)
    return header


def num_frames(header: Dataset) -> int:
    """Returns NumberOfFrames; files without it have one."""
    return int(header.get("NumberOfFrames") or 1)


def first_value(dataset: Dataset, keyword: str) -> Any:
    """Returns the first value of an attribute, None when it is absent or empty."""
    element = dataset.get(keyword)
    if isinstance(element, pydicom.multival.MultiValue):
        return element[0] if element else None
    return element


def _check_inflated_size(stream: BinaryIO) -> None:
    """Refuses a deflated file that would inflate beyond any image (PS3.5 A.5)."""
    pydicom.filereader.read_preamble(stream, force=False)
    meta = pydicom.filereader.read_file_meta_info(Path(stream.name))
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        start = stream.tell() + _meta_bytes(meta)
        stream.seek(start)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        size, chunk = 0, stream.read(_CHUNK_BYTES)
        while chunk and not inflater.eof:
            size += len(inflater.decompress(chunk, _CHUNK_BYTES))
            if size > _MAX_INFLATED_BYTES:
                raise InputError(
                    "(0002,0010) TransferSyntaxUID is deflated, and the file inflates "
                    f"to more than {_MAX_INFLATED_BYTES >> 20} MiB."
                )
            chunk = inflater.unconsumed_tail or stream.read(_CHUNK_BYTES)
    stream.seek(0)
