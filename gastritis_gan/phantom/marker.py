"""Burned-in text: a side marker and a word, in a 5 x 7 dot font."""

from __future__ import annotations

import numpy as np

from gastritis_gan.phantom.stomach import MARGIN

# One string of seven rows a letter, `#` is lead.
_GLYPHS = {
    "A": ".###. #...# #...# ##### #...# #...# #...#",
    "H": "#...# #...# #...# ##### #...# #...# #...#",
    "L": "#.... #.... #.... #.... #.... #.... #####",
    "M": "#...# ##.## #.#.# #.#.# #...# #...# #...#",
    "N": "#...# ##..# #.#.# #..## #...# #...# #...#",
    "O": ".###. #...# #...# #...# #...# #...# .###.",
    "P": "####. #...# #...# ####. #.... #.... #....",
    "R": "####. #...# #...# ####. #.#.. #..#. #...#",
    "T": "##### ..#.. ..#.. ..#.. ..#.. ..#.. ..#..",
    " ": "..... ..... ..... ..... ..... ..... .....",
}
_TEXTS = ("R PHANTOM", "L PHANTOM")
_GLYPH_HEIGHT = 7


def marker_mask(rng: np.random.Generator, image_size: int) -> np.ndarray:
    """Draws the text along the top or bottom edge, where no organ reaches.

    Returns:
        Bool array of shape (image_size, image_size), True where the text is.
    """
    text = _bitmap(_TEXTS[int(rng.integers(len(_TEXTS)))])
    margin_px = int(MARGIN * image_size)
    dot_px = max(1, int(0.7 * margin_px) // _GLYPH_HEIGHT)
    text = np.kron(text, np.ones((dot_px, dot_px), bool))
    height, width = text.shape
    gap = (margin_px - height) // 2
    top = gap if rng.random() < 0.5 else image_size - gap - height
    left = int(rng.integers(gap, image_size - gap - width))
    mask = np.zeros((image_size, image_size), bool)
    mask[top : top + height, left : left + width] = text
    return mask


def _bitmap(text: str) -> np.ndarray:
    letters = [
        [[dot == "#" for dot in row + "."] for row in _GLYPHS[letter].split()]
        for letter in text
    ]
    return np.concatenate([np.array(letter) for letter in letters], axis=1)
