from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gastritis_gan.store.border_text import touches_text
from gastritis_gan.store.patches import PatchGeometry

SIZE, BAND = 512, 60
GEOMETRY = PatchGeometry(patch_size=64, stride=32, exclude_border_px=BAND)


def film(*, sigma=4.0, bits=8):
    """A bright disc on a slope, with noise: a radiograph without text."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    disc = 140 / (1 + np.exp((np.hypot(y, x) - 230) / 8))
    noise = np.random.default_rng(0).normal(0, sigma, (SIZE, SIZE))
    grey = np.clip(30 + disc + x / 20 + noise, 0, 255)
    return np.rint(grey * (1 if bits == 8 else 257)).astype(f"uint{bits}")


def write(image, text, place, *, size=20, white=None):
    white = int(np.iinfo(image.dtype).max) if white is None else white
    mask = Image.new("1", (SIZE, SIZE))
    ImageDraw.Draw(mask).text(place, text, 1, font=ImageFont.load_default(size))
    return np.where(np.asarray(mask), np.array(white, image.dtype), image)


def flagged(image, geometry=GEOMETRY, **film_of):
    rows, columns = geometry.grid(*image.shape)
    found = touches_text(image, geometry, rows, columns, **film_of)
    return list(zip(rows[found].tolist(), columns[found].tolist(), strict=True))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("place", "size"), [((8, 8), 14), ((300, 480), 20), ((10, 470), 32)]
)
def test_patches_over_a_name_are_found_and_only_those(bits, place, size):
    text = "DOE JANE 1901"
    found = flagged(write(film(bits=bits), text, place, size=size))
    left, top, right, bottom = ImageFont.load_default(size).getbbox(text)
    left, right = left + place[0], right + place[0]
    top, bottom = top + place[1], bottom + place[1]
    assert found
    for row, column in found:
        assert row < bottom and row + 64 > top  # noqa: PT018
        assert column < right and column + 64 > left  # noqa: PT018
    # Every patch that covers the whole height of a third of the text is found.
    rows, columns = GEOMETRY.grid(SIZE, SIZE)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        covers_height = row <= top and row + 64 >= bottom
        width = min(column + 64, right) - max(column, left)
        if covers_height and width >= min(48, (right - left) / 3):
            assert (row, column) in found


def test_dark_text_is_found_too():
    assert flagged(write(film() // 2 + 120, "DOE JANE", (200, 10), white=0))


def test_text_in_the_middle_is_not_in_the_band():
    assert not flagged(write(film(), "DOE JANE 1901", (180, 250)))


@pytest.mark.parametrize("sigma", [0, 4, 25, 60])
def test_anatomy_and_noise_are_no_text(sigma):
    assert not flagged(film(sigma=sigma))


def test_straight_lines_and_edges_are_no_text():
    image = film()
    image[:6], image[:, :6], image[-6:], image[:, -6:] = 255, 255, 255, 255  # a frame
    image[40:43] = 255
    image[:, 480:483] = 0
    image[:, :40] //= 4  # a collimator's edge
    assert not flagged(image)


def test_a_lead_marker_wider_than_a_stroke_is_no_text():
    image = film()
    image[10:40, 10:40] = 255
    assert not flagged(image)


def test_without_a_band_nothing_is_looked_for():
    geometry = PatchGeometry(patch_size=64, stride=32)
    assert not flagged(write(film(), "DOE JANE 1901", (8, 8)), geometry)


def test_the_band_lies_along_the_film_and_not_along_the_padding():
    image = write(film(), "DOE JANE 1901", (200, 8))
    padded = np.zeros((SIZE + 400, SIZE), np.uint8)
    padded[200:-200] = image
    shifted = [(row + 200, column) for row, column in flagged(image)]
    assert shifted
    rows = np.array([row for row, _ in shifted])
    columns = np.array([column for _, column in shifted])
    place = (slice(200, 200 + SIZE), slice(0, SIZE))
    assert touches_text(padded, GEOMETRY, rows, columns, film=place).all()
    assert not touches_text(padded, GEOMETRY, rows, columns).any()
