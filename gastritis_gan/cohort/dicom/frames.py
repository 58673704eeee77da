"""Decodes one frame of a DICOM file to stored pixel values.

pydicom finds the frame and reads what is not compressed; imagecodecs is its plug-in for
the rest. Each transfer syntax has one decoder, so that a file gives the same pixels in
every installation.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import struct
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import (
    UID,
    JPEG2000TransferSyntaxes,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from gastritis_gan.cohort.cohort import file_error
from gastritis_gan.cohort.dicom.header import (
    find_pixels,
    num_frames,
    open_data_set,
    refusing_dicom,
)
from gastritis_gan.errors import InputError

_LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
_DECODE = {
    **dict.fromkeys(
        (*_LOSSY_JPEG, JPEGLossless, JPEGLosslessSV1), imagecodecs.jpeg8_decode
    ),
    **dict.fromkeys(JPEGLSTransferSyntaxes, imagecodecs.jpegls_decode),
    # also HTJ2K: imagecodecs' htj2k_decode gives pixels of a frame that is cut off
    **dict.fromkeys(JPEG2000TransferSyntaxes, imagecodecs.jpeg2k_decode),
}
_PLUGIN = "gastritis_gan"
# A JPEG frame header (ISO 10918-1 B.2.2; F7 is that of JPEG-LS).
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}
_J2K_START = b"\xff\x4f\xff\x51"  # SOC, SIZ
_J2K_WITHIN_BYTES = 1 << 16  # a JP2 file has boxes before it
_COD, _SOT = 0xFF52, 0xFF90
_END = b"\xff\xd9"  # EOI, which is EOC in JPEG 2000
_END_WITHIN_BYTES = 64  # padding may follow
# What OpenJPEG holds for each tile and code block, whatever their size.
_BYTES_OF_TILE, _BYTES_OF_CODE_BLOCK = 6000, 700
_FREE_BYTES = 32 << 20
_PIXELS_AT_ONCE = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Codestream:
    """The frame header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    A decoder takes memory for what the codestream declares, whatever the DICOM header
    around it states.

    Attributes:
        width: Pixels.
        height: Pixels.
        components: Samples a pixel.
        bits: Precision of a sample.
        held_bytes: What a decoder holds beside the pixels for tiles and code blocks.
    """

    width: int
    height: int
    components: int
    bits: int
    held_bytes: int = 0


def decode_frame(path: Path, header: Dataset, *, frame: int) -> tuple[np.ndarray, bool]:
    """Reads one frame; the others are neither read nor decoded.

    Args:
        path: The file.
        header: Its attributes, as `read_header` returns them.
        frame: Number of the frame, from 1.

    Returns:
        ndarray of the stored values, of native byte order and of shape (height, width),
        RGB (height, width, 3), in which bits above BitsStored are cleared or carry the
        sign (PS3.5 8.1.1); and
        whether they were anything else.

    Raises:
        InputError: The frame is damaged or absent, or compressed in a way that has no
            decoder.
    """
    if not 1 <= frame <= num_frames(header):
        raise file_error(
            path,
            f"has no frame {frame}; (0028,0008) NumberOfFrames is "
            f"{num_frames(header)}.",
        )
    syntax = UID(header.file_meta.TransferSyntaxUID)
    problem = f"(7FE0,0010) PixelData ({_name(syntax)}) cannot be decoded"
    errors: list[Exception] = []  # of the plug-in: pydicom makes one text of them
    high_bits: list[bool] = []  # what the plug-in found
    with refusing_dicom(path, problem), open_data_set(path) as stream:
        options = as_pixel_options(
            header,
            samples_per_pixel=header.get("SamplesPerPixel") or 1,
            pixel_keyword="PixelData",
            pixel_vr=find_pixels(stream, header),
        )
        # Ours to do, for every transfer syntax.
        options |= dict.fromkeys(
            (
                "correct_unused_bits",
                "apply_j2k_sign_correction",
                "apply_jls_sign_correction",
            ),
            False,
        )
        # pydicom reads a frame of single bits short if it begins within a byte
        is_split = header.BitsAllocated == 1 and header.Rows * header.Columns % 8
        try:
            pixels, _ = _decoder(syntax).as_array(
                stream,
                index=None if is_split else frame - 1,
                raw=True,
                decoding_plugin=_PLUGIN if syntax.is_encapsulated else "",
                errors=errors,
                high_bits=high_bits,
                **options,
            )
        except RuntimeError:
            if errors:
                raise errors[0] from None
            raise
        if is_split and num_frames(header) > 1:
            pixels = pixels[frame - 1]
        native: np.ndarray = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        if not syntax.is_encapsulated and header.BitsAllocated > 1:
            native, has_high_bits = _as_stored(
                np.ascontiguousarray(native), header.BitsStored
            )
            high_bits.append(has_high_bits)
        return native, any(high_bits)


@functools.cache
def _decoder(syntax: UID) -> Decoder:
    """Returns pydicom's decoder with the plug-in; refuses what neither knows."""
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        decoder = None
    if decoder is None or (syntax.is_encapsulated and not is_available(syntax)):
        raise InputError(
            f"(0002,0010) TransferSyntaxUID is {_name(syntax)}, which cannot be "
            "decoded; decompress the file."
        )
    if syntax.is_encapsulated:
        decoder.add_plugin(_PLUGIN, (__name__, "decode_compressed"))
    return decoder


def is_available(syntax: str) -> bool:
    """Whether the plug-in decodes a transfer syntax; pydicom asks."""
    return syntax == RLELossless or syntax in _DECODE


def decode_compressed(frame: bytes, runner: DecodeRunner) -> bytes | memoryview:
    """Decodes a compressed frame; pydicom's plug-in.

    Args:
        frame: The compressed frame.
        runner: What pydicom knows of the image.

    Returns:
        The stored values, row by row, in native byte order.

    Raises:
        Exception: The frame is damaged, or declares what the header does not.
    """
    try:
        if runner.transfer_syntax == RLELossless:
            bits, pixels = runner.bits_stored, _decode_rle(frame, runner)
        else:
            bits, pixels = _decode_codestream(frame, runner)
        runner.set_option("bits_allocated", 8 * pixels.itemsize)
        stored, has_high_bits = _as_stored(
            pixels.view(runner.pixel_dtype), min(bits, runner.bits_stored)
        )
        runner.get_option("high_bits", []).append(has_high_bits)
        return stored.data.cast("B")
    except Exception as error:
        runner.get_option("errors", []).append(error)
        raise


def _decode_rle(frame: bytes, runner: DecodeRunner) -> np.ndarray:
    num_bytes = runner.bits_allocated // 8
    size = runner.rows * runner.columns * num_bytes
    if len(frame) < 64:
        raise ValueError("the RLE header is cut off")
    (segments,) = struct.unpack_from("<I", frame)
    if segments != num_bytes:
        raise ValueError(f"{segments} RLE segments, where {num_bytes} are needed")
    # the segments may be longer by some padding
    room = size + size // 8 + 1024
    pixels = imagecodecs.dicomrle_decode(frame, f"<u{num_bytes}", out=room)
    if len(pixels) < size:
        raise ValueError("an RLE segment is cut off")
    return np.frombuffer(pixels, f"<u{num_bytes}", size // num_bytes)


def _decode_codestream(frame: bytes, runner: DecodeRunner) -> tuple[int, np.ndarray]:
    """Returns the precision of a frame, and its pixels."""
    codestream = read_codestream(frame)
    _check_codestream(codestream, runner)
    if _END not in frame[-_END_WITHIN_BYTES:]:  # decoders fill up what is missing
        raise ValueError("the codestream is cut off: it has no end")
    pixels = _DECODE[runner.transfer_syntax](frame)
    if pixels.shape != (codestream.height, codestream.width):
        raise ValueError(f"the decoder gives pixels of shape {pixels.shape}")
    if runner.transfer_syntax in _LOSSY_JPEG and runner.pixel_representation == 0:
        # Without its highest bit a pixel that has become whiter than white is black.
        pixels = np.minimum(pixels, (1 << runner.bits_stored) - 1)
    return codestream.bits, pixels


def _as_stored(values: np.ndarray, bits: int) -> tuple[np.ndarray, bool]:
    """Clears the bits above the lowest `bits`, or fills them with the sign.

    pydicom does so for some transfer syntaxes only, and not where a codestream is
    deeper than BitsStored.

    Returns:
        The values, and whether those bits were neither clear nor the sign.
    """
    unused = 8 * values.itemsize - bits
    if not unused:
        return values, False
    if not values.flags.writeable:
        values = values.copy()
    has_high_bits = False
    flat = values.reshape(-1)
    for start in range(0, flat.size, _PIXELS_AT_ONCE):  # a copy of all takes memory
        part = flat[start : start + _PIXELS_AT_ONCE]
        raw = part.copy()
        np.left_shift(part, unused, out=part)
        np.right_shift(part, unused, out=part)
        is_clear = raw.view(f"u{raw.itemsize}") >> bits == 0
        has_high_bits |= not (is_clear | (raw == part)).all()
    return values, has_high_bits


def _name(syntax: UID) -> str:
    """Returns the name of a transfer syntax; a file's own text is not repeated."""
    return "not in PS3.6" if syntax.name == syntax else str(syntax.name)


def _check_codestream(codestream: Codestream, runner: DecodeRunner) -> None:
    """Refuses a codestream of another size or depth than the header's."""
    width, height = codestream.width, codestream.height
    if (width, height, codestream.components) != (runner.columns, runner.rows, 1):
        raise InputError(
            f"(7FE0,0010) PixelData is {width} x {height} pixels of "
            f"{codestream.components} component(s), but (0028,0011) Columns x "
            f"(0028,0010) Rows is {runner.columns} x {runner.rows}."
        )
    if not 1 <= codestream.bits <= runner.bits_allocated:
        raise InputError(
            f"(7FE0,0010) PixelData has {codestream.bits} bits a pixel, but "
            f"(0028,0100) BitsAllocated is {runner.bits_allocated}."
        )
    if codestream.held_bytes > max(width * height, _FREE_BYTES):
        raise InputError(
            "(7FE0,0010) PixelData is cut into tiles or code blocks so small that "
            "they would take more memory than the image."
        )


def read_codestream(frame: bytes) -> Codestream:
    """Reads a frame header; no pixel is read.

    Args:
        frame: The compressed frame.

    Raises:
        ValueError: There is no frame header.
    """
    try:
        if frame.startswith(b"\xff\xd8"):
            return _read_jpeg(frame)
        start = frame.find(_J2K_START, 0, _J2K_WITHIN_BYTES)
        if start < 0:
            raise ValueError("neither a JPEG nor a JPEG 2000 codestream")
        return _read_j2k(frame, start)
    except struct.error:
        raise ValueError("the codestream's header is cut off") from None


def _read_jpeg(frame: bytes) -> Codestream:
    position = 2
    while True:
        prefix, marker = struct.unpack_from(">BB", frame, position)
        if prefix != 0xFF:
            raise ValueError("a JPEG marker is missing")
        if marker == 0xFF:  # a fill byte
            position += 1
        elif marker in _SOF:  # length, precision, height, width, components
            bits, height, width, components = struct.unpack_from(
                ">BHHB", frame, position + 4
            )
            return Codestream(
                width=width, height=height, components=components, bits=bits
            )
        elif marker in _WITHOUT_LENGTH:
            position += 2
        else:
            (length,) = struct.unpack_from(">H", frame, position + 2)
            position += 2 + length


def _read_j2k(frame: bytes, start: int) -> Codestream:
    # SIZ (ISO 15444-1 A.5.1): length, capabilities, then 32-bit sizes: image area, its
    # origin, tile, the tiles' origin; components, and of the first the precision
    length = struct.unpack_from(">H", frame, start + 4)[0]
    x1, y1, x0, y0, tile_width, tile_height, tile_x0, tile_y0, components, precision = (
        struct.unpack_from(">8IHB", frame, start + 8)
    )
    if not (tile_width and tile_height and x0 < x1 and y0 < y1):
        raise ValueError("the codestream's size or its tiles' size is 0")
    tiles = -(-(x1 - tile_x0) // tile_width) * -(-(y1 - tile_y0) // tile_height)
    tile = (min(tile_width, x1 - x0), min(tile_height, y1 - y0))
    blocks = _blocks_of_tile(frame, start + 4 + length, tile)
    return Codestream(
        width=x1 - x0,
        height=y1 - y0,
        components=components,
        bits=(precision & 0x7F) + 1,  # the highest bit is the sign
        held_bytes=tiles * _BYTES_OF_TILE + blocks * _BYTES_OF_CODE_BLOCK,
    )


def _blocks_of_tile(frame: bytes, position: int, tile: tuple[int, int]) -> int:
    """Counts a tile's code blocks by COD, which stands in the main header (A.6.1)."""
    marker, length = struct.unpack_from(">HH", frame, position)
    while marker != _COD:
        if marker == _SOT:
            raise ValueError("the codestream has no coding style")
        position += 2 + length
        marker, length = struct.unpack_from(">HH", frame, position)
    style, levels, *exponents = struct.unpack_from(">B4x3B", frame, position + 4)
    count = 0
    for resolution in range(levels + 1):
        sides = [exponent + 2 for exponent in exponents]
        is_lowest = resolution == 0
        if style & 1:  # precincts: a code block does not reach beyond its own
            (precinct,) = struct.unpack_from("B", frame, position + 14 + resolution)
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
