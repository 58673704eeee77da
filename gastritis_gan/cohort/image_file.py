"""Reads an image file of any supported kind as 8- or 16-bit grey values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gastritis_gan.cohort.cohort import file_error, refusing, split_number
from gastritis_gan.cohort.dicom.header import ImageMetadata, read_dicom_metadata
from gastritis_gan.cohort.dicom.reader import read_dicom
from gastritis_gan.errors import InputError

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*")  # PNG; TIFF, both byte orders
_DICOM_PREAMBLE_BYTES = 128
_DTYPE_OF_MODE = {"1": "bool", "L": "uint8", "I;16": "uint16", "I;16B": "uint16"}
_EXIF_ORIENTATION = 274
_TIFF_PHOTOMETRIC = 262
_WHITE_IS_ZERO = 0


def read_image(path: Path, *, bits: int, window: int | str | None = None) -> np.ndarray:
    """Reads a DICOM, PNG or TIFF file; the content decides, not the name.

    Args:
        path: The file; `image.dcm#3` is the third frame of `image.dcm`.
        bits: 8 or 16 bits per pixel of the result.
        window: Number or explanation of a DICOM file's window; None: the first.

    Returns:
        ndarray of uint8 or uint16 of shape (height, width); 0 is black.

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
        raise file_error(path, "has 1 bit per pixel; an image must have 8 or 16 bits.")
    return convert_bits(pixels, bits)


def read_metadata(path: Path) -> ImageMetadata:
    """Reads what a file states of its image beside the pixels; PNG and TIFF: nothing.

    Args:
        path: As for `read_image`.

    Raises:
        InputError: The file cannot be read.
    """
    path, frame = split_number(path)
    if is_png_or_tiff(path):
        return ImageMetadata()
    return read_dicom_metadata(path, frame=frame)


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
    """Reads the pixels of a greyscale PNG or TIFF file as they are.

    Returns:
        ndarray of bool, uint8 or uint16 of shape (height, width).

    Raises:
        InputError: The file is damaged, coloured, or holds several pages or another
            depth.
    """
    with refusing(path, "is damaged or truncated"):
        try:
            with Image.open(path, formats=("PNG", "TIFF")) as file:
                _check_is_grey(file)
                pixels = np.array(file, dtype=_DTYPE_OF_MODE[file.mode])
                tags = getattr(file, "tag_v2", {})
        except UnidentifiedImageError:
            raise InputError("is not a PNG or TIFF file that can be read.") from None
        except Image.DecompressionBombError:
            raise InputError("declares more pixels than any radiograph has.") from None
    if pixels.dtype == np.uint16 and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        pixels = np.iinfo(np.uint16).max - pixels  # Pillow inverts 8 bits only
    return pixels


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


def _check_is_grey(file: Image.Image) -> None:
    if getattr(file, "n_frames", 1) != 1:
        raise InputError("holds several pages; give a file with one.")
    if file.mode not in _DTYPE_OF_MODE:
        raise InputError(
            f"is not 8- or 16-bit greyscale (Pillow's mode {file.mode!r}); convert "
            "colour and palette images to greyscale first."
        )
    # Pillow turns a TIFF by its tag when it loads it, but not a PNG.
    if file.format == "PNG" and file.getexif().get(_EXIF_ORIENTATION, 1) != 1:
        raise InputError(
            "states an orientation in EXIF; save it the right way up without."
        )


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_DICOM_PREAMBLE_BYTES + 4)
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror}).") from None


def _has_dicom_prefix(head: bytes) -> bool:
    return head[_DICOM_PREAMBLE_BYTES:] == b"DICM"
