"""Draws every image of a store with its outline and its patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gastritis_gan.store.patch_counts import (
    KINDS,
    class_name,
    count_image,
    patch_kinds,
)
from gastritis_gan.store.store import Store, StoredImage

# Okabe and Ito's palette, which colour-blind readers tell apart.
_COLOURS = {
    "positive": (213, 94, 0),
    "negative": (0, 114, 178),
    "outside": (240, 228, 66),
    "boundary": (204, 121, 167),
    "excluded": (255, 255, 255),
}
_OUTLINE_COLOUR = (0, 255, 150)
_OVERLAY_STRENGTH = 0.4
_THUMBNAIL_PX = 280
_GAP_PX = 8
_TEXT_PX = 14
_CAPTION_PX = 2 * (_TEXT_PX + 3)
_PAIRS_PER_ROW = 2
_ROWS_PER_SHEET = 4


def contact_sheets(store: Store) -> Iterator[tuple[str, Image.Image, int]]:
    """Yields (file name, picture, number of images) for every split and class.

    Every image is shown twice: with the outline, and with a coloured square at the
    centre of each patch, as wide as the stride.
    """
    per_sheet = _PAIRS_PER_ROW * _ROWS_PER_SHEET
    for split in store.splits:
        for label in ("positive", "negative"):
            indices = [
                index
                for index, image in enumerate(store.images)
                if (image.split, image.label) == (split, label)
            ]
            for number, start in enumerate(range(0, len(indices), per_sheet), start=1):
                chosen = indices[start : start + per_sheet]
                name = f"sheet_{split}_{label}_{number:03}.png"
                yield name, _sheet(store, chosen), len(chosen)


def _sheet(store: Store, indices: list[int]) -> Image.Image:
    """Draws up to a sheet of images with their captions under a legend."""
    cell_width = 2 * _THUMBNAIL_PX + 2 * _GAP_PX
    cell_height = _THUMBNAIL_PX + _CAPTION_PX + _GAP_PX
    legend_height = _TEXT_PX + 2 * _GAP_PX
    num_rows = -(-len(indices) // _PAIRS_PER_ROW)
    sheet = Image.new(
        "RGB",
        (cell_width * _PAIRS_PER_ROW + _GAP_PX, legend_height + num_rows * cell_height),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    draw.font = ImageFont.load_default(_TEXT_PX)
    _draw_legend(store, draw)
    for place, index in enumerate(indices):
        left = _GAP_PX + place % _PAIRS_PER_ROW * cell_width
        top = legend_height + place // _PAIRS_PER_ROW * cell_height
        plain, overlay = _thumbnails(store, index)
        sheet.paste(plain, (left, top))
        sheet.paste(overlay, (left + _THUMBNAIL_PX + _GAP_PX // 2, top))
        caption = _caption(store.images[index], count_image(store, index))
        draw.multiline_text((left, top + _THUMBNAIL_PX + 2), caption, "black")
    return sheet


def _draw_legend(store: Store, draw: ImageDraw.ImageDraw) -> None:
    left = _GAP_PX
    colours = {"outline": _OUTLINE_COLOUR, **_COLOURS}
    for name, colour in colours.items():
        square = (left, _GAP_PX, left + _TEXT_PX, _GAP_PX + _TEXT_PX)
        draw.rectangle(square, colour, "grey")  # an edge: one of them is white
        left += _TEXT_PX + 5
        text = class_name(store, name)
        draw.text((left, _GAP_PX - 1), text, "black")
        left += int(draw.textlength(text)) + 3 * _GAP_PX


def _caption(image: StoredImage, counts: dict[str, Any]) -> str:
    kinds = [
        f"{counts[kind]:,} {kind}" for kind in KINDS if counts[kind] or kind == "inside"
    ]
    return f"{image.key}\n{', '.join(kinds)}"


def _thumbnails(store: Store, index: int) -> tuple[Image.Image, Image.Image]:
    """Returns an image with its outline, and with its patches."""
    image = store.images[index]
    scale = _THUMBNAIL_PX / max(image.height, image.width)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    pixels = np.asarray(store.image(index))
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    grey = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    plain = np.repeat(grey[:, :, np.newaxis], 3, axis=2)  # [H, W, 3]
    overlay = _colour_patches(store, index, plain, scale)
    mask = store.outline(index)
    if mask is not None:
        small = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
        for picture in (plain, overlay):
            picture[_edge(np.asarray(small, bool))] = _OUTLINE_COLOUR
    return Image.fromarray(plain), Image.fromarray(overlay)


def _colour_patches(
    store: Store, index: int, picture: np.ndarray, scale: float
) -> np.ndarray:
    """Returns a copy whose squares at the patches' centres have the kind's colour."""
    overlay = picture.astype(np.float32)
    patches = store.patches_of_image(index, inside_only=False)
    kinds = patch_kinds(store, patches, store.images[index].label)
    half = min(store.geometry.stride, store.geometry.patch_size) / 2
    centre = store.geometry.patch_size / 2
    middle = np.stack([store.patch_row[patches], store.patch_column[patches]]) + centre
    top, left = np.rint((middle - half) * scale).astype(int)
    bottom, right = np.rint((middle + half) * scale).astype(int)
    for place, kind in enumerate(kinds):
        if kind in _COLOURS:
            square = overlay[top[place] : bottom[place], left[place] : right[place]]
            square *= 1 - _OVERLAY_STRENGTH
            square += _OVERLAY_STRENGTH * np.array(_COLOURS[kind], np.float32)
    return overlay.astype(np.uint8)


def _edge(mask: np.ndarray) -> np.ndarray:
    """Returns the pixels of a mask that touch its complement or the border."""
    padded = np.pad(mask, 1)
    neighbours = (
        padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    )
    edge: np.ndarray = mask & ~neighbours
    return edge
