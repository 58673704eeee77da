from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from gastritis_gan.cohort.image_file import convert_bits, read_image, read_metadata
from gastritis_gan.errors import InputError

GREY8 = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
GREY16 = GREY8.astype(np.uint16) * 257 + 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_files_are_read_as_they_are(tmp_path, suffix):
    for pixels, bits in ((GREY8, 8), (GREY16, 16)):
        path = tmp_path / f"image{bits}.{suffix}"
        Image.fromarray(pixels).save(path)
        read = read_image(path, bits=bits).pixels
        assert read.dtype == pixels.dtype
        np.testing.assert_array_equal(read, pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_in_which_white_is_zero_is_inverted(tmp_path, bits):
    tifffile = pytest.importorskip("tifffile")
    pixels = GREY8 if bits == 8 else GREY16
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels, photometric="miniswhite")
    np.testing.assert_array_equal(
        read_image(path, bits=bits).pixels, 2**bits - 1 - pixels
    )


def test_depth_is_changed_to_the_nearest_value():
    every8, every16 = np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16)
    widened, narrowed = convert_bits(every8, 16), convert_bits(every16, 8)
    assert (widened.dtype, narrowed.dtype) == (np.uint16, np.uint8)
    np.testing.assert_array_equal(widened, every8 * 257.0)
    np.testing.assert_array_equal(narrowed, np.round(every16 / 65535 * 255))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_that_is_saved_as_colour_is_grey(tmp_path, mode, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(GREY8).convert(mode).save(path)
    np.testing.assert_array_equal(read_image(path, bits=8).pixels, GREY8)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colour_is_refused(tmp_path, mode):
    coloured = Image.fromarray(np.dstack([GREY8, GREY8, GREY8 // 2 + 9]))
    coloured.convert(mode).save(tmp_path / "image.png")
    with pytest.raises(InputError, match=r"image.png: is in colour"):
        read_image(tmp_path / "image.png", bits=8)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_refused(tmp_path, mode):
    picture = Image.fromarray(GREY8).convert(mode)
    picture.putalpha(Image.fromarray(np.where(GREY8 > 0, 255, 254).astype(np.uint8)))
    picture.save(tmp_path / "image.png")
    with pytest.raises(InputError, match="transparent"):
        read_image(tmp_path / "image.png", bits=8)


def test_a_grey_value_that_is_transparent_is_refused(tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(GREY8).save(path, transparency=7)  # no pixel has it
    np.testing.assert_array_equal(read_image(path, bits=8).pixels, GREY8)
    Image.fromarray(GREY8).save(path, transparency=20)
    with pytest.raises(InputError, match="transparent"):
        read_image(path, bits=8)


def _write_tiff(path, depth, data, *, sample_format=None, photometric=1):
    """Writes 4 x 3 pixels in one strip (TIFF 6.0)."""
    tags = {256: (3, 4), 257: (3, 3), 258: (3, depth), 259: (3, 1),
            262: (3, photometric), 273: (4, 8), 277: (3, 1), 278: (3, 3),
            279: (4, len(data))}  # fmt: skip
    if sample_format:
        tags[339] = (3, sample_format)
    entries = [struct.pack("<HHII", tag, kind, 1, v) for tag, (kind, v) in tags.items()]
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)
    return path


def test_twelve_bits_fill_the_range(tmp_path):
    values = np.arange(12) * 372 + 3  # 3 to 4095
    bits = np.array([[v >> (11 - bit) & 1 for bit in range(12)] for v in values])
    data = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
    path = _write_tiff(tmp_path / "image.tif", 12, data)
    for depth in (8, 16):
        expected = (values / 4095 * (2**depth - 1)).reshape(3, 4)
        read = read_image(path, bits=depth).pixels
        np.testing.assert_allclose(read, expected, atol=0.51)
    _write_tiff(path, 12, data, photometric=0)  # Pillow cannot: better than dark
    with pytest.raises(InputError, match="that can be read"):
        read_image(path, bits=8)


@pytest.mark.parametrize(
    ("depth", "sample_format"), [(8, 2), (16, 2), (12, 2), (32, 3), (16, 3), (32, 1)]
)
def test_other_samples_than_unsigned_ones_are_refused(tmp_path, depth, sample_format):
    data = bytes(range(12 * depth // 8))
    path = _write_tiff(tmp_path / "image.tif", depth, data, sample_format=sample_format)
    with pytest.raises(InputError, match=r"image.tif: (has signed or float|is not)"):
        read_image(path, bits=8)


def test_colour_of_16_bits_is_refused(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pixels = np.dstack([GREY16] * 3)
    tifffile.imwrite(tmp_path / "image.tif", pixels, photometric="rgb")
    with pytest.raises(InputError, match="is not"):
        read_image(tmp_path / "image.tif", bits=8)


@pytest.mark.parametrize(("depth", "largest"), [(8, 60), (16, 4095), (16, 32767)])
def test_values_that_do_not_fill_their_depth_are_named(tmp_path, depth, largest):
    pixels = np.linspace(0, largest, 400).reshape(20, 20).astype(f"uint{depth}")
    Image.fromarray(pixels).save(tmp_path / "image.png")
    (note,) = read_image(tmp_path / "image.png", bits=8).notes
    assert f"values of {largest.bit_length()} bits in files of {depth}" in note
    pixels = np.linspace(0, 2**depth - 1, 400).reshape(20, 20).astype(pixels.dtype)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    assert read_image(tmp_path / "image.png", bits=8).notes == ()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pixels_are_as_high_as_the_resolution_says(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(GREY8).save(path, dpi=(300, 150))  # half as many rows an inch
    assert read_metadata(path).pixel_aspect == pytest.approx(2, abs=0.01)
    Image.fromarray(GREY8).save(path)
    assert read_metadata(path).pixel_aspect == 1


def test_a_resolution_that_is_no_number_is_none(tmp_path):
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[282] = TiffImagePlugin.IFDRational(1, 0)
    directory[283], directory[296] = TiffImagePlugin.IFDRational(0, 0), 2
    Image.fromarray(GREY8).save(tmp_path / "image.tif", tiffinfo=directory)
    assert read_metadata(tmp_path / "image.tif").pixel_aspect == 1
    np.testing.assert_array_equal(
        read_image(tmp_path / "image.tif", bits=8).pixels, GREY8
    )


def test_blank_and_nearly_blank_files_are_named(tmp_path):
    for pixels, text in (
        (np.full((9, 9), 200, np.uint8), "one grey value everywhere"),
        (40_000 + np.arange(400, dtype=np.uint16).reshape(20, 20), "at most a third"),
    ):
        Image.fromarray(pixels).save(tmp_path / "image.png")
        (note,) = read_image(tmp_path / "image.png", bits=16).notes
        assert text in note


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "image.png"
    Image.new("1", (4, 3)).save(path, format="PNG")
    with pytest.raises(InputError, match="1 bit per pixel"):
        read_image(path, bits=8)
    Image.new("F", (4, 3)).save(tmp_path / "image.tif")
    with pytest.raises(InputError, match="floating-point"):
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
            read = read_image(path, bits=8).pixels
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
