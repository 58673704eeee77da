from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.cohort.image_file import convert_bits, read_image
from gastritis_gan.errors import InputError

GREY8 = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
GREY16 = GREY8.astype(np.uint16) * 257 + 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_files_are_read_as_they_are(tmp_path, suffix):
    for pixels, bits in ((GREY8, 8), (GREY16, 16)):
        path = tmp_path / f"image{bits}.{suffix}"
        Image.fromarray(pixels).save(path)
        read = read_image(path, bits=bits)
        assert read.dtype == pixels.dtype
        np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_in_which_white_is_zero_is_inverted(tmp_path, bits):
    tifffile = pytest.importorskip("tifffile")
    pixels = GREY8 if bits == 8 else GREY16
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path, bits=bits), 2**bits - 1 - pixels)


def test_depth_is_changed_to_the_nearest_value():
    every8, every16 = np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16)
    widened, narrowed = convert_bits(every8, 16), convert_bits(every16, 8)
    assert (widened.dtype, narrowed.dtype) == (np.uint16, np.uint8)
    np.testing.assert_array_equal(widened, every8 * 257.0)
    np.testing.assert_array_equal(narrowed, np.round(every16 / 65535 * 255))


def _save(path, mode):
    Image.new(mode, (4, 3)).save(path, format="PNG")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colour_is_refused(tmp_path, mode):
    path = tmp_path / "image.png"
    _save(path, mode)
    with pytest.raises(InputError, match=r"image.png: is not 8- or 16-bit greyscale"):
        read_image(path, bits=8)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "image.png"
    _save(path, "1")
    with pytest.raises(InputError, match="1 bit per pixel"):
        read_image(path, bits=8)
    Image.new("F", (4, 3)).save(tmp_path / "image.tif")
    with pytest.raises(InputError, match="greyscale"):
        read_image(tmp_path / "image.tif", bits=8)
    first = Image.new("L", (4, 3))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[first])
    with pytest.raises(InputError, match="several pages"):
        read_image(tmp_path / "two.tif", bits=8)
    Image.new("L", (4, 3)).save(tmp_path / "image.jpg")
    with pytest.raises(InputError, match="not a DICOM, PNG or TIFF file"):
        read_image(tmp_path / "image.jpg", bits=8)
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / "nothing.png", bits=8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"whole.{suffix}")
    content = (tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"cut.{suffix}"
    refused = 0
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        try:
            read = read_image(path, bits=8)
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(read, pixels)
    assert refused > 20


def test_a_png_that_states_to_be_turned_is_refused(tmp_path):
    path = tmp_path / "image.png"
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(GREY8).save(path, exif=exif)
    with pytest.raises(InputError, match="states an orientation in EXIF"):
        read_image(path, bits=8)


def test_a_frame_of_a_png_is_refused(tmp_path):
    Image.fromarray(GREY8).save(tmp_path / "image.png")
    with pytest.raises(InputError, match="has no frame 2"):
        read_image(tmp_path / "image.png#2", bits=8)
