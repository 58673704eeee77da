import hashlib

import numpy as np
import pytest

from gastritis_gan.store.pixels import (
    encode_png,
    hash_pixels,
    read_hashes,
    read_pixels,
    write_hashes,
)

IMAGE = np.arange(6, dtype=np.uint16).reshape(2, 3) * 10000


def test_the_hash_is_that_of_the_bytes_of_a_npy_file_in_c_order():
    head = "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }"
    head += " " * (128 - 10 - len(head) - 1) + "\n"
    values = b"".join(int(value).to_bytes(2, "little") for value in IMAGE.ravel())
    file = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
    expected = hashlib.sha256(file + values).hexdigest()
    assert hash_pixels(IMAGE) == expected
    assert hash_pixels(np.asfortranarray(IMAGE)) == expected
    assert hash_pixels(IMAGE.astype(np.uint8)) != expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_are_read_back(tmp_path, dtype):
    image = IMAGE.astype(dtype)
    (tmp_path / "a.png").write_bytes(encode_png(image))
    read = read_pixels(tmp_path / "a.png", (2, 3), hash_pixels(image))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, image)


def test_hashes_are_read_back(tmp_path):
    images = [("1" * 64, "ab"), ("1" * 64, "aa"), ("2" * 64, "0f")]
    write_hashes(tmp_path / "hashes", images)
    assert read_hashes(tmp_path / "hashes") == images
