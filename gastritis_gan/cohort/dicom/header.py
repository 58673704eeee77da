"""Reads what a DICOM file says of its pixels, and refuses what cannot be decoded."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
import pydicom.datadict
import pydicom.multival
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, RLELossless

from gastritis_gan.cohort.cohort_error import CohortError, quoting
from gastritis_gan.cohort.dicom.open_file import open_dicom
from gastritis_gan.cohort.dicom.refusal import refusal
from gastritis_gan.errors import InputError

MAX_PIXELS = 1 << 27  # 16,384 x 8,192: beyond any detector; 256 MiB at 16 bits
_MAX_INFLATED_BYTES = 2 * MAX_PIXELS + (16 << 20)

_INTEGERS = (
    "SamplesPerPixel",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_PIXEL_KEYWORDS = (
    *_INTEGERS,
    "PhotometricInterpretation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)


def read_header(path: Path, keywords: Iterable[str]) -> Dataset:
    """Reads the attributes that describe the pixels, and `keywords`; no other.

    Nothing else is read, so that nothing about the patient can get into a message. No
    pixel is read either: what a file declares is compared with its size before memory
    is taken.

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
    with refusal(path, "cannot be read as DICOM"), open_data_set(path) as stream:
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=tags)
        _check_values(header)
        syntax = header.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise InputError(
                "has no (0002,0010) TransferSyntaxUID, so it cannot be decoded."
            )
        start = stream.tell()  # at the tag of the pixels, or at the end
        _check_is_at_pixels(stream, is_little_endian=header.original_encoding[1])
        present = stream.seek(0, os.SEEK_END) - start
        _check_size(header, UID(syntax), present)
    return header


def open_data_set(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    """Opens a DICOM file for reading, inflated if need be; see `open_dicom`."""
    return open_dicom(path, max_inflated_bytes=_MAX_INFLATED_BYTES)


def num_frames(header: Dataset) -> int:
    """Returns NumberOfFrames; files without it have one."""
    return int(header.get("NumberOfFrames") or 1)


def values_of(dataset: Dataset, keyword: str) -> list[Any]:
    """Returns the values of an attribute, none when it is absent or empty."""
    element = dataset.get(keyword)
    if isinstance(element, pydicom.multival.MultiValue):
        return list(element)
    return [] if element is None else [element]


def _check_is_at_pixels(stream: BinaryIO, *, is_little_endian: bool) -> None:
    order = "<" if is_little_endian else ">"
    tag = stream.read(4)
    if tag != struct.pack(f"{order}2H", 0x7FE0, 0x0010):
        raise InputError("has no (7FE0,0010) PixelData, so it is not an image.")


def _check_values(header: Dataset) -> None:
    """Converts every value now, while it can be said which one is damaged."""
    for tag in header.keys():  # noqa: SIM118 - iterating over values converts them
        try:
            element = header[tag]
        except Exception as error:  # noqa: BLE001 - damage surfaces as any exception
            problem = f"{_name(tag)} cannot be read"
            raise CohortError(f"{problem} ({error}).", f"{problem}.") from None
        is_number = isinstance(element.value, int) or element.is_empty
        if element.keyword in _INTEGERS and not is_number:
            raise quoting(f"{_name(tag)} must be one whole number.", element.value)


def _name(tag: BaseTag) -> str:
    keyword = pydicom.datadict.keyword_for_tag(tag)
    return f"({tag.group:04X},{tag.element:04X}) {keyword}"


def _check_size(header: Dataset, syntax: UID, present: int) -> None:
    """Compares what the header declares with the stated limit and the bytes present."""
    rows, columns = header.get("Rows") or 0, header.get("Columns") or 0
    if not 0 < rows * columns <= MAX_PIXELS:
        raise InputError(
            f"(0028,0010) Rows x (0028,0011) Columns is {rows} x {columns}; images of "
            f"1 to {MAX_PIXELS:,} pixels are read."
        )
    if num_frames(header) < 1:
        raise InputError(
            f"(0028,0008) NumberOfFrames must be positive. Received: "
            f"{num_frames(header)}."
        )
    samples = header.get("SamplesPerPixel") or 1
    bits = header.get("BitsAllocated") or 0
    declared = num_frames(header) * rows * columns * samples * bits // 8
    if syntax == RLELossless:
        most = 64 * present  # PackBits makes at most 128 bytes of 2
    elif syntax.is_compressed:
        return  # no greatest ratio; `decode_frame` compares the codestream's own size
    else:
        most = present
    if declared > most:
        raise InputError(
            f"(7FE0,0010) PixelData is cut off: Rows x Columns x BitsAllocated is "
            f"{rows} x {columns} x {bits}, which takes more than the {present} bytes "
            "that are there."
        )
