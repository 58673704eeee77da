"""The exposure: body, spine, organ, barium pool, quantum noise, burned-in text."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, special

from gastritis_gan.phantom.stomach import MARGIN, REFERENCE_SIZE, Stomach, smooth_noise

MAX_VALUE = 4095  # 12 bits
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


def expose(
    rng: np.random.Generator, stomach: Stomach, mucosa: np.ndarray
) -> np.ndarray:
    """Takes the radiograph: barium and bone are bright, gas is dark.

    Args:
        rng: Source of randomness.
        stomach: The organ.
        mucosa: Its relief, of shape (image_size, image_size), local mean 0.

    Returns:
        Uint16 array of shape (image_size, image_size), 0 to 4095.
    """
    image_size = len(mucosa)
    unit = image_size / REFERENCE_SIZE
    brightness = _body(rng, image_size) + _lumen(rng, stomach, unit)
    contrast = rng.uniform(0.035, 0.06)
    wall = np.clip(stomach.depth_px / (6 * unit), 0, 1)  # relief fades in at the wall
    brightness += contrast * wall * mucosa

    # Fewer quanta reach the film behind barium: brighter means noisier (Poisson).
    quanta = np.exp(-1.5 * np.clip(brightness, 0, 1))
    dose = rng.uniform(3500, 6500)
    noise = rng.standard_normal(brightness.shape, dtype=np.float32)
    brightness += noise / np.sqrt(dose * quanta)
    brightness = ndimage.gaussian_filter(brightness, 0.6 * unit)

    brightness[marker_mask(rng, image_size)] = 0.97
    values: np.ndarray = np.rint(np.clip(brightness, 0, 1) * MAX_VALUE)
    return values.astype(np.uint16)


def _body(rng: np.random.Generator, image_size: int) -> np.ndarray:
    """Soft tissue, spine and bowel gas."""
    unit = image_size / REFERENCE_SIZE
    axis = np.linspace(0, 1, image_size, dtype=np.float32)
    y, x = axis[:, None], axis[None, :]
    tissue = rng.uniform(0.24, 0.34) + 0.03 * smooth_noise(rng, image_size, 450 * unit)
    tissue += 0.010 * smooth_noise(rng, image_size, 60 * unit)
    tissue += 0.006 * smooth_noise(rng, image_size, 14 * unit)
    # The body is thinner towards the flanks: more quanta, darker.
    tissue -= 0.5 * (x - rng.uniform(0.45, 0.55)) ** 2

    centre = rng.uniform(0.33, 0.45) + 0.03 * (y - 0.5) * rng.uniform(-1, 1)
    half_width = rng.uniform(0.055, 0.07)
    across = np.abs(x - centre) / half_width
    column = special.expit((1 - across) * 9)
    height, phase = rng.uniform(0.13, 0.16), rng.uniform(0, 1)
    disc = np.abs((y / height + phase) % 1 - 0.5) * 2  # 1 between two vertebrae
    vertebra = 1 - 0.55 * np.exp(-(((disc - 1) / 0.16) ** 2))
    cortex = np.exp(-(((across - 0.92) / 0.09) ** 2))
    tissue += column * vertebra * (0.10 + 0.04 * cortex)

    gas = smooth_noise(rng, image_size, 260 * unit) - 1.5
    tissue -= 0.09 * np.clip(gas, 0, 0.8) * np.clip(3 * y - 1.2, 0, 1)
    return tissue


def _lumen(rng: np.random.Generator, stomach: Stomach, unit: float) -> np.ndarray:
    """Coated wall, gas, and the barium pool that gravity gathers."""
    image_size = len(stomach.depth_px)
    inside = special.expit(stomach.depth_px / (1.2 * unit))
    rim = np.exp(-np.clip(stomach.depth_px, 0, None) / (rng.uniform(4, 7) * unit))
    angle = rng.uniform(0.25, 0.75) * np.pi  # the pool lies low in the image
    axis = np.linspace(-0.5, 0.5, image_size, dtype=np.float32)
    downhill = axis[None, :] * np.cos(angle) + axis[:, None] * np.sin(angle)
    downhill = downhill + 0.04 * smooth_noise(rng, image_size, 400 * unit)
    pool = special.expit((downhill - rng.uniform(0.18, 0.34)) / 0.07)
    coat = rng.uniform(0.04, 0.12) + 0.015 * smooth_noise(rng, image_size, 250 * unit)
    lumen: np.ndarray = inside * (coat + rng.uniform(0.10, 0.2) * pool + 0.30 * rim)
    return lumen


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
