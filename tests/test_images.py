from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

import gastritis_gan.images
from gastritis_gan.images import (
    area_resize,
    average_windows,
    drawable,
    find_font,
    float_to_uint8,
    image_sheet,
    stack_sheets,
    uint_to_float,
)


def _mean_of_box(image: np.ndarray, low: tuple[float, float], side: float) -> float:
    """Integrates the image, constant on unit squares, over a square box."""
    total = 0.0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            height = max(0.0, min(low[0] + side, y + 1) - max(low[0], y))
            width = max(0.0, min(low[1] + side, x + 1) - max(low[1], x))
            total += image[y, x] * height * width
    return total / side**2


@pytest.mark.parametrize(
    ("size", "resolution"), [(7, 4), (12, 5), (13, 1), (29, 2), (10, 9), (41, 4)]
)
def test_every_pixel_is_the_mean_of_its_box(size, resolution):
    image = np.random.default_rng(0).integers(0, 65536, (size, size), np.uint16)
    side = size / resolution
    expected = [
        [_mean_of_box(image, (i * side, j * side), side) for j in range(resolution)]
        for i in range(resolution)
    ]
    np.testing.assert_allclose(area_resize(image, resolution), expected, rtol=2e-6)


@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64, 128])
def test_a_whole_factor_is_the_mean_of_blocks(resolution):
    image = np.random.default_rng(1).integers(0, 256, (128, 128), np.uint8)
    step = 128 // resolution
    expected = image.reshape(resolution, step, resolution, step).mean(axis=(1, 3))
    np.testing.assert_allclose(area_resize(image, resolution), expected, rtol=1e-6)


@pytest.mark.parametrize("resolution", [4, 32, 256, 299])
def test_the_mean_of_the_papers_patch_is_kept(resolution):
    image = np.random.default_rng(2).integers(0, 256, (299, 299), np.uint8)
    resized = area_resize(image, resolution)
    assert resized.dtype == np.float32
    assert resized.mean(dtype=np.float64) == pytest.approx(image.mean(), rel=1e-6)


def test_the_own_size_changes_nothing():
    image = np.random.default_rng(3).integers(0, 256, (31, 31), np.uint8)
    np.testing.assert_array_equal(area_resize(image, 31), image)


@pytest.mark.parametrize("resolution", [0, 17])
def test_other_sizes_are_refused(resolution):
    with pytest.raises(ValueError, match=f"Received: {resolution}"):
        area_resize(np.zeros((16, 16)), resolution)


def test_the_range_of_the_type_becomes_minus_one_to_one():
    levels = np.array([0, 51, 102, 153, 204, 255], np.uint8)  # fifths of 255
    fifths = np.array([-1, -0.6, -0.2, 0.2, 0.6, 1])
    for images in (levels, levels.astype(np.uint16) * 257):
        floats = uint_to_float(images)
        assert floats.dtype == np.float32
        np.testing.assert_allclose(floats, fifths, atol=1e-7)
        assert (floats[0], floats[-1]) == (-1, 1)


def test_every_grey_level_survives_the_way_there_and_back():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(float_to_uint8(uint_to_float(levels)), levels)


def test_what_lies_beyond_the_range_is_clipped():
    np.testing.assert_array_equal(float_to_uint8(np.array([-1.5, 2])), [0, 255])


@pytest.mark.parametrize("low", [-1.0, 0.0])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_windows_are_averaged_into_the_range_of_floats(dtype, low):
    most = np.iinfo(dtype).max
    windows = np.random.default_rng(4).integers(0, most, (3, 12, 12), dtype, True)
    windows[0] = most
    out = np.empty((3, 4, 4), np.float32)
    means = windows.reshape(3, 4, 3, 4, 3).mean(axis=(2, 4), dtype=np.float64) / most
    expected = low + (1 - low) * means
    average_windows(windows, out, low=low)
    np.testing.assert_allclose(out, expected, atol=1e-6)
    assert out.max() <= 1


def test_images_lie_row_by_row_on_grey():
    images = np.stack([np.full((64, 64, 1), level, np.uint8) for level in (1, 2, 3)])
    sheet = image_sheet(images, 2)
    assert (sheet.mode, sheet.size) == ("L", (64 + 2 + 64, 64 + 2 + 64))
    pixels = np.asarray(sheet)
    for level, (top, left) in {1: (0, 0), 2: (0, 66), 3: (66, 0)}.items():
        assert (pixels[top : top + 64, left : left + 64] == level).all()
    grey = np.ones((130, 130), bool)
    for top, left in ((0, 0), (0, 66), (66, 0)):
        grey[top : top + 64, left : left + 64] = False
    assert (pixels[grey] == 128).all()


@pytest.mark.parametrize(("size", "factor"), [(4, 16), (24, 3), (63, 2), (100, 1)])
def test_small_images_are_enlarged_by_a_whole_factor(size, factor):
    image = np.random.default_rng(5).integers(0, 256, (1, size, size, 1), np.uint8)
    expected = np.kron(image[0, ..., 0], np.ones((factor, factor), np.uint8))
    np.testing.assert_array_equal(np.asarray(image_sheet(image, 1)), expected)


def test_a_caption_stands_above_the_images_and_is_broken_into_lines():
    images = np.full((5, 64, 64, 1), 7, np.uint8)
    plain = np.asarray(image_sheet(images, 5))
    heights = []
    for words in (3, 40):
        sheet = np.asarray(image_sheet(images, 5, caption="synthetic " * words))
        above = sheet[: -plain.shape[0]]
        np.testing.assert_array_equal(sheet[-plain.shape[0] :], plain)
        assert above.min() < 64  # black letters
        assert (above[:, -4:] == 255).all()  # none is cut off
        heights.append(len(above))
    assert heights[1] > 4 * heights[0]


def caption_of(text):
    images = np.zeros((1, 64, 64, 1), np.uint8)
    return np.asarray(image_sheet(images, 1, caption=text))[:-64]


@pytest.mark.parametrize("letters", ["aé", "ßΩ", "ЖЗ", "胃炎"])
def test_captions_have_the_letters_of_a_class_name(letters):
    """Letters that a font lacks are all drawn as one box; Matplotlib brings DejaVu."""
    if letters == "胃炎":
        if shutil.which("fc-list") is None:
            pytest.skip("needs fontconfig, to know what fonts there are")
        command = ["fc-list", ":charset=80c3 708e"]
        if not subprocess.run(command, capture_output=True, check=True).stdout:
            pytest.skip("no font of this machine has kanji")
    assert drawable(letters, "positive") == letters
    assert not np.array_equal(caption_of(letters[0]), caption_of(letters[1]))


def test_a_damaged_font_is_left_out(monkeypatch, tmp_path):
    (tmp_path / "a.ttf").write_bytes(b"no font")
    files = [str(tmp_path / "a.ttf"), str(tmp_path / "absent.ttf")]
    monkeypatch.setattr(gastritis_gan.images, "_font_files", lambda: files)
    find_font.cache_clear()
    assert drawable("胃炎", "positive") == "positive"
    find_font.cache_clear()


def test_a_class_name_that_no_font_has_is_replaced(monkeypatch):
    assert drawable("\U000f1234", "positive") == "positive"  # for private use
    find_font.cache_clear()
    monkeypatch.setattr(gastritis_gan.images, "_font_files", list)  # the plain install
    assert drawable("胃炎", "positive") == "positive"
    assert drawable("gastritis (+)", "positive") == "gastritis (+)"
    find_font.cache_clear()


def test_sheets_below_each_other_keep_their_pixels():
    tall = Image.fromarray(np.full((70, 66), 1, np.uint8))
    wide = Image.fromarray(np.full((64, 130), 2, np.uint8))
    stack = np.asarray(stack_sheets([tall, wide]))
    assert stack.shape == (70 + 4 + 64, 130)
    assert (stack[:70, :66] == 1).all()
    assert (stack[74:] == 2).all()
    assert (stack[70:74] == 255).all()
