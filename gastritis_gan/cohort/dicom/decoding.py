"""Decodes one frame of a DICOM file to stored pixel values."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from gastritis_gan.cohort.cohort import file_error
from gastritis_gan.cohort.dicom.codestream import Codestream, read_codestream
from gastritis_gan.cohort.dicom.encapsulated import open_frame, read_frame
from gastritis_gan.cohort.dicom.header import num_frames, open_data_set, refusal
from gastritis_gan.cohort.dicom.jpeg import (
    decode_baseline,
    decode_jpeg_ls,
    decode_lossless,
)
from gastritis_gan.cohort.dicom.jpeg2000 import decode_htj2k, decode_jpeg2000
from gastritis_gan.cohort.dicom.native import read_native
from gastritis_gan.cohort.dicom.rle import decode_rle
from gastritis_gan.errors import InputError

_NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
_LOSSLESS_JPEG = (JPEGLossless, JPEGLosslessSV1)
_CODESTREAMS = (
    *_LOSSY_JPEG,
    *_LOSSLESS_JPEG,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
)


def decode_frame(path: Path, header: Dataset, *, frame: int) -> np.ndarray:
    """Reads one frame; the others are neither read nor decoded.

    No more memory is taken than for the compressed frame and twice its pixels.

    Args:
        path: The file.
        header: Its attributes, as `read_header` returns them.
        frame: Number of the frame, from 1.

    Returns:
        ndarray of the stored values, of shape (height, width) and native byte order.
        Bits above BitsStored are cleared or carry the sign (PS3.5 8.1.1).

    Raises:
        InputError: The frame is damaged or absent, or compressed in a way that no
            installed decoder knows.
    """
    if not 1 <= frame <= num_frames(header):
        raise file_error(
            path,
            f"has no frame {frame}; (0028,0008) NumberOfFrames is "
            f"{num_frames(header)}.",
        )
    syntax = UID(header.file_meta.TransferSyntaxUID)
    with refusal(path, f"(7FE0,0010) PixelData ({_name(syntax)}) cannot be decoded"):
        with open_data_set(path) as stream:
            if syntax in _NATIVE:
                bits = header.BitsStored
                pixels = read_native(stream, header, frame=frame)
            else:
                bits, pixels = _decompress(stream, header, syntax, frame=frame)
        return _as_stored(pixels, header, bits=min(bits, header.BitsStored))


def _decompress(
    stream: BinaryIO, header: Dataset, syntax: UID, *, frame: int
) -> tuple[int, np.ndarray]:
    """Returns the precision of a compressed frame, and its pixels."""
    if syntax == RLELossless:
        shape = (header.Rows, header.Columns)
        pixels = decode_rle(
            read_frame(open_frame(stream, header, frame=frame)),
            num_pixels=shape[0] * shape[1],
            num_bytes=header.BitsAllocated // 8,
        )
        return header.BitsStored, pixels.reshape(shape)
    if syntax not in _CODESTREAMS:
        raise InputError(
            f"(0002,0010) TransferSyntaxUID is {_name(syntax)}, which cannot be "
            "decoded; decompress the file."
        )
    source = open_frame(stream, header, frame=frame)
    codestream = read_codestream(source)
    _check_codestream(codestream, header)
    try:
        pixels = _decode(source, codestream, syntax)
    except ImportError:
        if codestream.is_high_throughput:
            way_out = "pip install 'gastritis-gan[dicom]' in Python 3.11 or later"
        elif syntax in JPEG2000TransferSyntaxes:
            way_out = "pip install pillow: this one lacks OpenJPEG"
        else:
            way_out = "pip install 'gastritis-gan[dicom]'"
        raise InputError(
            f"(0002,0010) TransferSyntaxUID is {_name(syntax)}, for which no decoder "
            f"is installed; {way_out}, or decompress the file."
        ) from None
    if pixels.shape != (codestream.height, codestream.width):
        raise ValueError(f"the decoder gives pixels of shape {pixels.shape}")
    if syntax in _LOSSY_JPEG and header.PixelRepresentation == 0:
        # Without its highest bit a pixel that has become whiter than white is black.
        pixels = np.minimum(pixels, (1 << header.BitsStored) - 1)
    return codestream.bits, pixels


def _decode(source: BinaryIO, codestream: Codestream, syntax: UID) -> np.ndarray:
    if syntax in JPEG2000TransferSyntaxes:
        if codestream.is_high_throughput:
            return decode_htj2k(source)
        return decode_jpeg2000(source, codestream)
    if syntax in JPEGLSTransferSyntaxes:
        return decode_jpeg_ls(source)
    if syntax in _LOSSLESS_JPEG or codestream.bits > 8:
        return decode_lossless(source)
    return decode_baseline(source)


def _name(syntax: UID) -> str:
    """Returns the name of a transfer syntax; a file's own text is not repeated."""
    return "not in PS3.6" if syntax.name == syntax else str(syntax.name)


def _check_codestream(codestream: Codestream, header: Dataset) -> None:
    """Refuses a codestream of another size or depth than the header's."""
    width, height = codestream.width, codestream.height
    if (width, height, codestream.components) != (header.Columns, header.Rows, 1):
        raise InputError(
            f"(7FE0,0010) PixelData is {width} x {height} pixels of "
            f"{codestream.components} component(s), but (0028,0011) Columns x "
            f"(0028,0010) Rows is {header.Columns} x {header.Rows}."
        )
    if not 1 <= codestream.bits <= header.BitsAllocated:
        raise InputError(
            f"(7FE0,0010) PixelData has {codestream.bits} bits a pixel, but "
            f"(0028,0100) BitsAllocated is {header.BitsAllocated}."
        )


def _as_stored(pixels: np.ndarray, header: Dataset, *, bits: int) -> np.ndarray:
    """Clears the bits above the lowest `bits`, or fills them with the sign."""
    is_signed = header.PixelRepresentation == 1
    pixels = pixels.view(f"u{pixels.itemsize}")
    if pixels.itemsize * 8 < header.BitsAllocated:
        pixels = pixels.astype(f"u{header.BitsAllocated // 8}")
    unused = pixels.itemsize * 8 - bits
    if not pixels.flags.writeable:
        pixels = pixels.copy()
    values: np.ndarray = pixels.view(f"{'i' if is_signed else 'u'}{pixels.itemsize}")
    if unused:
        np.left_shift(values, unused, out=values)
        np.right_shift(values, unused, out=values)
    return values
