"""The pixels of an image in a store: a PNG, and the hash that it must have.

The hashes lie in a file of their own beside the images, in the order of the store.
Whoever has a film can compute its hash; without the images `store.json` holds nothing
to compare it with.
"""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from gastritis_gan.storage import write_bytes

_END_OF_PNG = b"\0\0\0\0IEND\xaeB`\x82"
_HASH_LINE = re.compile(r"([0-9a-f]{64})  ([0-9a-f]+)")


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
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(pixels))
    return hashlib.sha256(file.getbuffer()).hexdigest()


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
    with PngImageFile(path) as file:  # Image.open refuses very large ones
        found = file.size[::-1]
        if found != shape:
            raise ValueError(f"it holds {found} pixels instead of {shape}")
        pixels = np.array(file)
    if hash_pixels(pixels) != sha256:
        raise ValueError("its pixels do not have their hash")
    pixels.flags.writeable = False
    return pixels


def is_cut_short(path: Path) -> bool:
    """Whether the end of an image's file is missing; it is not decoded.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        stream.seek(0, io.SEEK_END)
        stream.seek(max(0, stream.tell() - len(_END_OF_PNG)))
        return stream.read() != _END_OF_PNG


def write_hashes(path: Path, images: Iterable[tuple[str, str]]) -> None:
    """Writes a line for every image.

    Args:
        path: The file.
        images: Hash of the pixels and key of every image, in the store's order.
    """
    lines = [f"{sha256}  {key}\n" for sha256, key in images]
    write_bytes(path, "".join(lines).encode())


def read_hashes(path: Path) -> list[tuple[str, str]]:
    """Returns hash and key of every image, in the store's order.

    Raises:
        OSError, ValueError: The file is missing or damaged.
    """
    lines = path.read_text(encoding="ascii").splitlines()
    matches = [_HASH_LINE.fullmatch(line) for line in lines]
    images = [(match[1], match[2]) for match in matches if match]
    if len(images) < len(lines):
        raise ValueError(f"{path.name} has lines that are not a hash and a key")
    if images != sorted(images, key=lambda image: image[0]):
        raise ValueError(f"{path.name} is not in the order of the hashes")
    return images
