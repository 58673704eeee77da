"""How the pixels of an image lie in a store: as PNG; until version 3 as `.npy`."""

from __future__ import annotations

import hashlib
import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

PNG_SUFFIX = ".png"
NPY_SUFFIX = ".npy"

_NPY_HEADER_BYTES = 128  # of any two-dimensional array that np.save writes
_END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"


def encode_png(pixels: np.ndarray) -> bytes:
    """Returns an image as PNG.

    Matches of the noise in a radiograph are chance: without a search for any but runs
    of one byte the file is smaller than Pillow's ordinary one, in a sixth of the time.

    Args:
        pixels: ndarray of uint8 or uint16 of shape (height, width).
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(
        buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE
    )
    return buffer.getvalue()


def hash_pixels(pixels: np.ndarray) -> str:
    """Returns the SHA-256 of an image as a `.npy` file, in hexadecimal digits.

    It does not depend on how the store compresses it.
    """
    whole = np.ascontiguousarray(pixels)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, np.lib.format.header_data_from_array_1_0(whole)
    )
    digest = hashlib.sha256(header.getbuffer())
    digest.update(whole.data)
    return digest.hexdigest()


def read_pixels(path: Path, shape: tuple[int, int], sha256: str) -> np.ndarray:
    """Reads an image of a store and checks that it is unchanged.

    Args:
        path: The file.
        shape: Height and width that it should have.
        sha256: What `hash_pixels` should return.

    Returns:
        Read-only ndarray of that shape.

    Raises:
        OSError, ValueError, SyntaxError: The file is missing, damaged or another.
    """
    if path.suffix == NPY_SUFFIX:
        pixels: np.ndarray = np.load(path, allow_pickle=False)
    else:
        with PngImageFile(path) as file:  # Image.open refuses very large ones
            found = file.size[::-1]
            if found != shape:
                raise ValueError(f"it holds {found} pixels instead of {shape}")
            pixels = np.array(file)
    if hash_pixels(pixels) != sha256:
        raise ValueError("its pixels do not have their hash")
    pixels.flags.writeable = False
    return pixels


def is_cut_short(path: Path, num_bytes: int) -> bool:
    """Says whether the end of an image's file is missing, without decoding it.

    Args:
        path: The file.
        num_bytes: Bytes of the pixels.

    Raises:
        OSError: The file cannot be read.
    """
    if path.suffix == NPY_SUFFIX:
        return path.stat().st_size < _NPY_HEADER_BYTES + num_bytes
    with path.open("rb") as stream:
        stream.seek(0, io.SEEK_END)
        stream.seek(max(0, stream.tell() - len(_END_OF_PNG)))
        return stream.read() != _END_OF_PNG
