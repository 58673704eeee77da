"""Pixels: the one range of the networks, exact area averaging, contact sheets.

An image of uint8 or uint16 uses the full range of its type; a network's float32 image
lies in [-1, 1]. `uint_to_float` and `float_to_uint8` map one to the other (an exported
graph does so itself).

Images shrink by area averaging: every output pixel is the mean of the box it covers.
The means are products with sparse matrices, once along the rows and once along the
columns. A product with dense ones would be four times the work of a BLAS library, which
starts its own threads inside every reading thread and rounds differently on each
machine; SciPy's sparse product is one plain loop without the interpreter's lock.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    import scipy.sparse

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PADDING = 16  # columns; see `_turned`
_GAP_PX = 2
_GAP_LEVEL = 128
_LEAST_TILE_PX = 64
_LEAST_WIDTH_PX = 320  # of a sheet with a caption, so that one can read it
_TEXT_PX = 13
_LINE_PX = 17
_MARGIN_PX = 4

SHOWS_PATIENTS = "Shows patients: stays inside the hospital."


def uint_to_float(images: np.ndarray) -> NDArray[np.float32]:
    """Maps the full range of the type to [-1, 1].

    Args:
        images: ndarray of uint8 or uint16 of any shape.

    Returns:
        New ndarray of float32 of that shape.
    """
    floats = images.astype(np.float32)
    floats /= np.float32(np.iinfo(images.dtype).max / 2)
    floats -= np.float32(1)
    return floats


def float_to_uint8(images: np.ndarray) -> NDArray[np.uint8]:
    """Maps [-1, 1] to the grey levels 0 to 255; what lies beyond is clipped.

    Args:
        images: ndarray of float of any shape.

    Returns:
        New ndarray of uint8 of that shape.
    """
    levels: NDArray[np.uint8] = np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(
        np.uint8
    )
    return levels


def average_windows(
    windows: Iterable[np.ndarray], out: np.ndarray, *, low: float = -1.0
) -> np.ndarray:
    """Averages square windows down to the size of `out`, in the range of floats.

    Args:
        windows: As many ndarrays as `out` has, of uint8 or uint16, all of one type and
            of one shape (size, size).
        out: ndarray of float32 of shape (n, resolution, resolution), is written to.
        low: What zero becomes: -1 for the networks' range [-1, 1], 0 for [0, 1].

    Returns:
        `out`, from `low` to 1.

    Raises:
        ValueError: `resolution` is above the windows' size.
    """
    resize = None
    for window, target in zip(windows, out, strict=True):
        if resize is None:
            scale = (1 - low) / np.iinfo(window.dtype).max
            resize = _AreaResize(len(window), len(target), scale=scale, offset=low)
        resize(window, target)
        np.clip(target, low, 1, out=target)  # a rounding error may pass 1
    return out


class _AreaResize:
    """Averages square images of one size down to one resolution.

    Output pixel i covers the inputs from i * size / resolution to (i + 1) * size /
    resolution; an input on the edge counts by the part of it that is covered. It keeps
    working memory: use one in each thread.

    Args:
        size: Side of the images.
        resolution: Side of the output in pixels, at most `size`.
        scale: What the means are multiplied by.
        offset: What is added after that.

    Raises:
        ValueError: `resolution` is below 1 or above `size`.
    """

    def __init__(
        self, size: int, resolution: int, *, scale: float = 1.0, offset: float = 0.0
    ) -> None:
        if not 1 <= resolution <= size:
            raise ValueError(
                f"`resolution` must be from 1 to the image's size ({size}). "
                f"Received: {resolution}"
            )
        self._resolution = resolution
        self._rows = _averages(size, resolution)  # [T, S]
        self._columns = self._rows * np.float32(scale)  # [T, S]
        self._offset = np.float32(offset)
        self._image = np.empty((size, size), np.float32)
        # Without padding a column of a product whose rows are a power of two long lies
        # in a few sets of the cache, and is slow to read.
        self._turned = np.zeros((size, resolution + _PADDING), np.float32)

    def __call__(self, image: np.ndarray, out: np.ndarray) -> None:
        """Writes the means of `image`, scaled and shifted, to `out`.

        Args:
            image: ndarray of shape (size, size), any real dtype.
            out: ndarray of float32 of shape (resolution, resolution).
        """
        self._image[...] = image
        narrow = self._rows @ self._image  # [T, S]
        self._turned[:, : self._resolution] = narrow.T
        small = self._columns @ self._turned  # [T, T + padding]
        np.add(small[:, : self._resolution].T, self._offset, out=out)


def area_resize(image: np.ndarray, resolution: int) -> np.ndarray:
    """Averages a square image down to `resolution` pixels; see `average_windows`.

    Args:
        image: ndarray of shape (size, size), any real dtype.
        resolution: Side of the output in pixels, at most `size`.

    Returns:
        ndarray of float32 of shape (resolution, resolution), in the range of `image`.

    Raises:
        ValueError: `resolution` is below 1 or above `size`.
    """
    resize = _AreaResize(len(image), resolution)
    out = np.empty((resolution, resolution), np.float32)
    resize(image, out)
    return out


def enlarge(images: np.ndarray, least_side: int) -> np.ndarray:
    """Repeats pixels, so that a side has at least some length; nothing is interpolated.

    Args:
        images: uint8 array of shape (n, r, r, 1).
        least_side: In pixels.

    Returns:
        uint8 array of shape (n, m * r, m * r, 1) with the smallest whole m.
    """
    factor = -(-least_side // images.shape[1])
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


@functools.lru_cache(maxsize=64)
def find_font(text: str) -> Font | None:
    """Returns a font of this machine that has every letter of a text, if there is one.

    Pillow's own has hardly more than ASCII; then come Matplotlib's own and the
    system's, which the plain install does not find.
    """
    own = ImageFont.load_default(_TEXT_PX)
    if _has_letters(own, text):
        return own
    for file in _font_files():
        with contextlib.suppress(OSError):  # damaged, or of one size only
            font = ImageFont.truetype(file, _TEXT_PX)
            if _has_letters(font, text):
                return font
    return None


@functools.cache
def _font_files() -> list[str]:
    try:
        import matplotlib as mpl
        from matplotlib import font_manager
    except ModuleNotFoundError:
        return []
    own = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return [str(own), *sorted(font_manager.findSystemFonts())]


def _has_letters(font: Font, text: str) -> bool:
    absent = bytes(font.getmask("\ufffe"))  # no letter: drawn as an absent one
    return all(
        letter == " " or bytes(font.getmask(letter)) != absent for letter in text
    )


def drawable(name: str, otherwise: str) -> str:
    """Returns a name if a font here can draw it, else what stands for it."""
    return otherwise if find_font(name) is None else name


def image_sheet(images: np.ndarray, columns: int, *, caption: str = "") -> Image.Image:
    """Lays images out row by row, with a thin grey gap between them.

    An image below 64 pixels is enlarged by a whole factor.

    Args:
        images: uint8 array of shape (n, r, r, 1), n at least 1.
        columns: Images per row, at least 1; unused places of the last row stay grey.
        caption: What is shown, above the images; broken into lines where it is long.

    Returns:
        A greyscale picture.
    """
    images = enlarge(images, _LEAST_TILE_PX)
    num_images, height, width, _ = images.shape
    rows = -(-num_images // columns)
    row_step, column_step = height + _GAP_PX, width + _GAP_PX
    sheet = np.full(
        (rows * row_step - _GAP_PX, columns * column_step - _GAP_PX),
        _GAP_LEVEL,
        np.uint8,
    )
    for index, image in enumerate(images):
        top = index // columns * row_step
        left = index % columns * column_step
        sheet[top : top + height, left : left + width] = image[..., 0]
    picture = Image.fromarray(sheet)
    return _below(caption, picture) if caption else picture


def stack_sheets(sheets: Sequence[Image.Image]) -> Image.Image:
    """Puts greyscale pictures below each other, at least one."""
    width = max(sheet.width for sheet in sheets)
    height = sum(sheet.height + _MARGIN_PX for sheet in sheets) - _MARGIN_PX
    stack = Image.new("L", (width, height), "white")
    top = 0
    for sheet in sheets:
        stack.paste(sheet, (0, top))
        top += sheet.height + _MARGIN_PX
    return stack


def _below(caption: str, picture: Image.Image) -> Image.Image:
    """Returns a picture below its caption, in black on white."""
    font = find_font(caption) or ImageFont.load_default(_TEXT_PX)
    width = max(picture.width, _LEAST_WIDTH_PX)
    lines = [""]
    for word in caption.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width - 2 * _MARGIN_PX:
            lines.append(word)
        else:
            lines[-1] = longer
    top = len(lines) * _LINE_PX + _MARGIN_PX
    captioned = Image.new("L", (width, top + picture.height), "white")
    text = "\n".join(lines)
    draw = ImageDraw.Draw(captioned)
    draw.multiline_text(
        (_MARGIN_PX, _MARGIN_PX // 2), text, "black", font, spacing=_LINE_PX - _TEXT_PX
    )
    captioned.paste(picture, (0, top))
    return captioned


@functools.lru_cache(maxsize=32)
def _averages(source: int, target: int) -> scipy.sparse.csr_matrix:
    """Returns the weights of `source` rows in `target` means, float32 of [T, S]."""
    import scipy.sparse  # not in the plain install, which can store and show images

    # In units of 1 / target of an input every edge is an integer.
    edges = np.union1d(
        np.arange(0, source * target, target), np.arange(0, source * target, source)
    )
    lengths = np.diff(edges, append=source * target)
    weights = (lengths / source).astype(np.float32)
    return scipy.sparse.csr_matrix(
        (weights, (edges // source, edges // target)), shape=(target, source)
    )
