from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gastritis_gan.store.burned_in_text import find_text, is_one_character, verdict_on
from tests.helpers.outside_programs import find_or_skip

SIZE = 512
# Debian's package fonts-ipafont-gothic.
JAPANESE = "/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf"


def film(*, sigma=4.0, bits=8):
    """A bright disc on a slope, with noise: a radiograph without text."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    disc = 140 / (1 + np.exp((np.hypot(y, x) - 200) / 8))
    noise = np.random.default_rng(0).normal(0, sigma, (SIZE, SIZE))
    grey = np.clip(30 + disc + x / 20 + noise, 0, 255)
    return np.rint(grey * (1 if bits == 8 else 257)).astype(f"uint{bits}")


def write(image, text, place, *, size=20, white=255, font=None):
    """Returns the image with a text, and where its ink is."""
    font = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    mask = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(mask).text(place, text, 255, font=font)
    ink = np.asarray(mask) / 255
    white = white * (1 if image.dtype == np.uint8 else 257)
    written = image * (1 - ink) + white * ink
    return written.astype(image.dtype), np.argwhere(ink > 0.5)


def assert_found(boxes, ink):
    """One box holds the ink, and ends at most a letter's height beyond it."""
    assert len(boxes) == 1
    first, last = ink.min(axis=0), ink.max(axis=0) + 1
    height = last[0] - first[0]
    assert (np.abs(boxes[0] - [*first, *last]) <= height).all()
    inside = (ink >= boxes[0, :2]) & (ink < boxes[0, 2:])
    assert inside.all(axis=1).mean() > 0.95


@pytest.mark.parametrize(
    ("bits", "text", "place", "options"),
    [
        (8, "DOE JANE 1901", (8, 8), {"size": 12}),
        (8, "DOE JANE 1901", (180, 250), {}),  # over the organ
        (16, "DOE JANE 1901", (180, 250), {}),
        (8, "1901-02-03", (300, 480), {"size": 28}),
        (8, "DOE JANE", (20, 440), {"size": 40}),
        (8, "DOE JANE", (200, 240), {"white": 0}),
    ],
)
def test_a_name_or_a_date_is_found_where_it_is(bits, text, place, options):
    image, ink = write(film(bits=bits), text, place, **options)
    boxes = find_text(image)
    assert_found(boxes, ink)
    assert verdict_on(boxes) == "text"


@pytest.mark.parametrize("text", ["山田太郎", "ヤマダ タロウ", "やまだ"])
@pytest.mark.parametrize("size", [12, 24])
def test_japanese_is_found(text, size):
    font = find_or_skip(JAPANESE)
    image, ink = write(film(), text, (60, 30), size=size, font=font)
    boxes = find_text(image)
    assert_found(boxes, ink)
    assert verdict_on(boxes) == "text"


@pytest.mark.parametrize("turn", [np.rot90, np.fliplr])
def test_text_may_be_turned_or_mirrored(turn):
    image, _ = write(film(), "DOE JANE 1901", (40, 12))
    assert verdict_on(find_text(np.ascontiguousarray(turn(image)))) == "text"


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_side_marker_is_counted_apart(letter):
    image, ink = write(film(), letter, (450, 20), size=40)
    boxes = find_text(image)
    assert_found(boxes, ink)
    assert verdict_on(boxes) == "lone characters"
    beside, _ = write(image, "DOE JANE", (30, 30))
    boxes = find_text(beside)
    assert sorted(is_one_character(boxes)) == [False, True]
    assert verdict_on(boxes) == "text"


@pytest.mark.parametrize("sigma", [0, 4, 25, 60])
def test_anatomy_and_noise_are_no_text(sigma):
    boxes = find_text(film(sigma=sigma))
    assert boxes.shape == (0, 4)
    assert verdict_on(boxes) == "none"


def test_straight_lines_and_edges_are_no_text():
    image = film()
    image[:6], image[:, :6], image[-6:], image[:, -6:] = 255, 255, 255, 255  # a frame
    image[40:43] = 255
    image[:, 480:483] = 0
    image[:, :40] //= 4  # a collimator's edge
    assert not len(find_text(image))
