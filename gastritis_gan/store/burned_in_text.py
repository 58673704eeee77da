"""Finds text that is burned into the pixels of an image (the extra `[text]`).

RapidOCR's detector, PaddleOCR's PP-OCRv6 (both Apache-2.0), marks where text is, in any
script, upright, turned or mirrored; nothing is read, and nothing is downloaded: the
network is part of the package. Measured recall and false alarms: docs/dicom.md.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError

# The detector takes some films for one large character, from edge to edge.
_MOST_OF_THE_IMAGE = 4
_LONGEST_CHARACTER = 1.5  # long by short side: L has up to 1.5, two figures 1.6
_SETTINGS = {
    "Global.use_cls": False,
    "Global.use_rec": False,
    "Global.log_level": "critical",
    # Larger images are reduced, as its authors have it, which bounds time and memory.
    "Global.max_side_len": 2000,
    "Det.limit_side_len": 128,  # pixels; smaller images are enlarged
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # `prepare` has its processes
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


@functools.cache
def load_detector() -> Any:
    """Returns RapidOCR's detector; a process loads it once.

    Raises:
        InputError: The extra is not installed.
    """
    try:
        import onnxruntime  # noqa: F401 - RapidOCR finds out only when it detects
        from rapidocr import RapidOCR
    except ImportError:
        raise InputError(
            "looking for burned-in text (`patches.exclude_text`) needs the packages "
            "rapidocr and onnxruntime, which are not installed; "
            "pip install 'gastritis-gan[text]'."
        ) from None
    return RapidOCR(params=_SETTINGS)


def find_text(image: np.ndarray) -> np.ndarray:
    """Returns where an image has text, or lone characters.

    Args:
        image: ndarray of uint8 or uint16 of shape (height, width).

    Returns:
        ndarray of int32 of shape (n_boxes, 4): top, left, bottom and right, the last
        two exclusive. A text that is turned has the upright box around it.

    Raises:
        InputError: The extra is not installed.
    """
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    corners = load_detector()(image).boxes  # [N, 4, (x, y)], or None
    if corners is None:
        return np.zeros((0, 4), np.int32)
    least, most = corners.min(axis=1), corners.max(axis=1)
    boxes = np.stack([least[:, 1], least[:, 0], most[:, 1] + 1, most[:, 0] + 1], axis=1)
    boxes = np.clip(np.rint(boxes), 0, np.tile(image.shape, 2)).astype(np.int32)
    height, width = (boxes[:, 2:] - boxes[:, :2]).T
    found: np.ndarray = boxes[
        np.minimum(height, width) * _MOST_OF_THE_IMAGE <= min(image.shape)
    ]
    return found


def is_one_character(boxes: np.ndarray) -> np.ndarray:
    """Returns which boxes hold one character: side markers such as L and R.

    Args:
        boxes: ndarray of int of shape (n_boxes, 4), as `find_text` returns them.

    Returns:
        ndarray of bool of shape (n_boxes,).
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    short: np.ndarray = sides.max(axis=1) < _LONGEST_CHARACTER * sides.min(axis=1)
    return short


def verdict_on(boxes: np.ndarray) -> str:
    """Returns what was found in an image: "text", "lone characters" or "none"."""
    if not len(boxes):
        return "none"
    return "lone characters" if is_one_character(boxes).all() else "text"
