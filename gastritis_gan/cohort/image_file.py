"""Reads an image file of any supported kind as 8- or 16-bit grey values."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gastritis_gan.cohort.cohort import file_error, refusing, split_number
from gastritis_gan.cohort.dicom.header import (
    ImageMetadata,
    read_dicom_metadata,
    read_header,
)
from gastritis_gan.cohort.dicom.reader import read_dicom
from gastritis_gan.cohort.grey_image import GreyImage, notes_of_levels
from gastritis_gan.errors import InputError

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")  # PNG; TIFF, both byte orders
_DICOM_PREAMBLE_BYTES = 128
_DTYPE_OF_MODE = {"1": "bool", "L": "uint8", "I;16": "uint16", "I;16B": "uint16"}
_COLOUR_MODES = ("RGB", "RGBA", "LA", "P", "PA")
_DEPTHS = (1, 2, 4, 8, 12, 16)  # bits per pixel; Pillow fills the range of 8
_EXIF_ORIENTATION = 274
_PNG_DEPTH_AT = 24  # PNG 11.2.1: IHDR is the first chunk
_TIFF_DEPTH, _TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
_PNG_XMP = b"XML:com.adobe.xmp"
# IPTC's Digital Source Type of what a trained model has made, wholly or in parts
_SYNTHETIC = b"trainedalgorithmicmedia"
_UNSIGNED = (1, 4)  # SampleFormat: unsigned integers, undefined


def read_image(path: Path, *, bits: int, window: int | str | None = None) -> GreyImage:
    """Reads a DICOM, PNG or TIFF file; the content decides, not the name.

    Args:
        path: The file; `image.dcm#3` is the third frame of `image.dcm`.
        bits: 8 or 16 bits per pixel of the result.
        window: Number or explanation of a DICOM file's window; None: the first.

    Returns:
        The image, and what a person should know about it.

    Raises:
        InputError: The file cannot be read, is damaged or of another kind, or is not
            one greyscale image.
    """
    path, frame = split_number(path)
    if not is_png_or_tiff(path):
        return read_dicom(path, bits=bits, frame=frame, window=window)
    if frame is not None:
        raise file_error(path, f"is a PNG or TIFF file and has no frame {frame}.")
    pixels = read_grey_file(path)
    if pixels.dtype == bool:
        raise file_error(path, "has 1 bit per pixel; an image must have 8 to 16 bits.")
    return GreyImage(pixels=convert_bits(pixels, bits), notes=tuple(_notes(pixels)))


def read_metadata(path: Path) -> ImageMetadata:
    """Reads what a file states of its image beside the pixels.

    PNG and TIFF files state no more than the shape of their pixels, and whether an
    algorithm has made them.

    Args:
        path: As for `read_image`.

    Raises:
        InputError: The file cannot be read.
    """
    path, frame = split_number(path)
    if not is_png_or_tiff(path):
        return read_dicom_metadata(path, frame=frame)
    with _opening(path) as file:
        # of the width, then of the height
        per_length = file.info.get("dpi") or (1, 1)
        x, y = map(float, file.info.get("aspect") or per_length)
        is_usable = 0 < x < float("inf") and 0 < y < float("inf")
        return ImageMetadata(
            pixel_aspect=x / y if is_usable else 1.0,
            is_synthetic=_SYNTHETIC in _xmp(path, file).lower(),
        )


def image_shape(path: Path) -> tuple[int, int]:
    """Returns height and width of an image in pixels; no pixel is decoded.

    Args:
        path: As for `read_image`.

    Raises:
        InputError: The file cannot be read.
    """
    path, _ = split_number(path)
    if not is_png_or_tiff(path):
        header = read_header(path, ())
        return int(header.Rows), int(header.Columns)
    with _opening(path) as file:
        return file.height, file.width


def _xmp(path: Path, file: Image.Image) -> bytes:
    """Returns the XMP packet of a PNG or TIFF file, empty without one."""
    if (
        "xmp" not in file.info
        and file.format == "PNG"
        and _PNG_XMP in path.read_bytes()
    ):
        file.load()  # it comes after the pixels
    packet = file.info.get("xmp") or b""
    return packet.encode() if isinstance(packet, str) else bytes(packet)


def is_png_or_tiff(path: Path) -> bool:
    """Whether a file begins like a PNG or a TIFF and is not a DICOM file.

    Raises:
        InputError: The file cannot be read.
    """
    head = _read_head(path)
    # PS3.10 7.1 allows a DICOM file to begin like a TIFF.
    return head.startswith(_SIGNATURES) and not _has_dicom_prefix(head)


def is_dicom(path: Path) -> bool:
    """Whether a file has the prefix of the DICOM file format (PS3.10 7.1).

    Raises:
        InputError: The file cannot be read.
    """
    return _has_dicom_prefix(_read_head(path))


def read_grey_file(path: Path) -> np.ndarray:
    """Reads the pixels of a greyscale PNG or TIFF file.

    Returns:
        ndarray of bool, uint8 or uint16 of shape (height, width); 12 bits become 16.

    Raises:
        InputError: The file is damaged, coloured, or holds several pages or another
            depth.
    """
    with _opening(path) as file:
        depth = _check_is_grey(path, file)
        tags = getattr(file, "tag_v2", {})
        # a grey value can be transparent, too (PNG 11.3.1.1)
        has_alpha = file.mode == "L" and "transparency" in file.info
        if file.mode in _COLOUR_MODES or has_alpha:
            return _equal_channels(file)
        pixels = np.array(file, dtype=_DTYPE_OF_MODE[file.mode])
    if depth == 12:
        pixels = ((pixels.astype(np.uint32) * 0xFFFF + 0x7FF) // 0xFFF).astype("u2")
    if pixels.dtype == np.uint16 and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        pixels = np.iinfo(np.uint16).max - pixels  # Pillow inverts 8 bits only
    return pixels


@contextlib.contextmanager
def _opening(path: Path) -> Iterator[Image.Image]:
    with refusing(path, "is damaged or truncated"):
        try:
            with Image.open(path, formats=("PNG", "TIFF")) as file:
                yield file
        except UnidentifiedImageError:
            raise InputError(
                "is not a PNG or TIFF file of 8, 12 or 16 bits that can be read."
            ) from None
        except Image.DecompressionBombError:
            raise InputError("declares more pixels than any radiograph has.") from None
        except MemoryError:  # a length of some gigabytes in a short file
            raise InputError(
                "is damaged: it declares more bytes than memory has."
            ) from None


def _equal_channels(file: Image.Image) -> np.ndarray:
    """Returns the one channel of a grey image that is saved as colour."""
    channels = np.array(file.convert("RGBA"))  # [H, W, 4]
    grey = channels[:, :, 0]
    if (channels[:, :, 1:3] != grey[:, :, np.newaxis]).any():
        raise InputError("is in colour; convert it to greyscale first.")
    if (channels[:, :, 3] != 0xFF).any():
        raise InputError("has transparent pixels; save it without transparency.")
    return np.ascontiguousarray(grey)


def _notes(pixels: np.ndarray) -> list[str]:
    """Says whether pixels use the range that their depth promises."""
    is_seen = np.zeros(np.iinfo(pixels.dtype).max + 1, bool)
    for row in pixels:
        is_seen[row] = True
    values = np.flatnonzero(is_seen).astype(pixels.dtype)
    notes = notes_of_levels(convert_bits(values, 8))
    depth, used = 8 * pixels.itemsize, int(values[-1]).bit_length()
    if values.size > 1 and used < depth:
        return [
            f"have values of {used} bits in files of {depth} bits, and so are dark; "
            f"multiply them by {1 << (depth - used)} if that is not meant."
        ]
    return notes


def convert_bits(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Changes the depth of full-range pixels, rounding to the nearest value.

    Args:
        pixels: ndarray of uint8 or uint16.
        bits: 8 or 16.

    Returns:
        ndarray of uint8 or uint16; black stays 0 and white stays the largest value.
    """
    if pixels.dtype == f"uint{bits}":
        return pixels
    if bits == 16:
        return pixels.astype(np.uint16) * np.uint16(257)  # 65535 / 255
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _check_is_grey(path: Path, file: Image.Image) -> int:
    """Refuses what is not one grey image; returns its bits per sample.

    Pillow's mode alone does not tell: it reads signed bytes as unsigned ones, and 12
    bits as 16.
    """
    if getattr(file, "n_frames", 1) != 1:
        raise InputError("holds several pages; give a file with one.")
    tags = getattr(file, "tag_v2", {})
    depths = tags.get(_TIFF_DEPTH, (1,))
    if file.format == "PNG":
        depths = tuple(_read_head(path)[_PNG_DEPTH_AT:][:1])
        # Pillow turns a TIFF by its tag when it loads it, but not a PNG.
        if file.getexif().get(_EXIF_ORIENTATION, 1) != 1:
            raise InputError(
                "states an orientation in EXIF; save it the right way up without."
            )
    if not set(tags.get(_TIFF_SAMPLE_FORMAT, _UNSIGNED)) <= set(_UNSIGNED):
        raise InputError(
            "has signed or floating-point pixels; save it as unsigned integers."
        )
    is_grey = file.mode in _DTYPE_OF_MODE and set(depths) <= set(_DEPTHS)
    is_colour = file.mode in _COLOUR_MODES and max(depths) <= 8
    if not (is_grey or is_colour):
        raise InputError(
            f"is not 8-, 12- or 16-bit greyscale (Pillow's mode {file.mode!r}, "
            f"{max(depths)} bits); convert it first."
        )
    return int(depths[0])


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_DICOM_PREAMBLE_BYTES + 4)
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror}).") from None


def _has_dicom_prefix(head: bytes) -> bool:
    return head[_DICOM_PREAMBLE_BYTES:] == b"DICM"
