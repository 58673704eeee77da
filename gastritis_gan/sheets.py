"""Contact sheets: many samples in one picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

_GAP_PX = 2
_GAP_LEVEL = 128


def image_sheet(images: np.ndarray, columns: int) -> Image.Image:
    """Lays images out row by row, with a thin grey gap between them.

    Args:
        images: uint8 array of shape (n, r, r, 1), n at least 1.
        columns: Images per row, at least 1; unused places of the last row stay grey.

    Returns:
        A greyscale picture.
    """
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
    return Image.fromarray(sheet)
