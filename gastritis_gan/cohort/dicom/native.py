"""Reads a frame that is not compressed."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from gastritis_gan.cohort.dicom.encapsulated import skip_to_pixels


def read_native(stream: BinaryIO, header: Dataset, *, frame: int) -> np.ndarray:
    """Reads one frame; the others are passed over.

    Args:
        stream: The file, as `open_data_set` opens it.
        header: Its attributes.
        frame: Number of the frame, from 1.

    Returns:
        ndarray of uint8 or uint16 of shape (height, width).

    Raises:
        EOFError: The frame is not there.
    """
    value_representation = skip_to_pixels(stream, header)
    _, is_little_endian = header.original_encoding
    shape = (header.Rows, header.Columns)
    bits = header.BitsAllocated
    if bits not in (1, 8, 16):
        raise ValueError(f"BitsAllocated is {bits}")
    num_bits = shape[0] * shape[1] * bits
    first = (frame - 1) * num_bits
    # PS3.5 8.1.2 and A.3: bytes in words (OW) are swapped when the words are
    is_swapped = not is_little_endian and (bits == 16 or value_representation == "OW")
    unit = 16 if is_swapped else 8
    first_unit, last_unit = first // unit, -(-(first + num_bits) // unit)
    content = np.empty(last_unit - first_unit, f"u{unit // 8}")
    stream.seek(first_unit * unit // 8, 1)
    num_read = stream.readinto(content.data.cast("B"))  # type: ignore[attr-defined]
    if num_read < content.nbytes:
        raise EOFError("the frame is cut off")
    if is_swapped:
        content.byteswap(inplace=True)
    start = first - first_unit * unit  # bits of the frame before
    values = content.view(np.uint8)
    if bits == 1:
        pixels = np.unpackbits(values, bitorder="little")[start : start + num_bits]
    else:
        values = values[start // 8 : (start + num_bits) // 8]
        pixels = values.view(f"<u{bits // 8}").astype(f"u{bits // 8}", copy=False)
    return pixels.reshape(shape)
