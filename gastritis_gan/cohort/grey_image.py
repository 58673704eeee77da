"""A grey image, and what a person should know about how it was read."""

from __future__ import annotations

import dataclasses

import numpy as np

_FEWEST_LEVELS = 1 / 3  # of the levels that could be told apart


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class GreyImage:
    """What a file shows.

    Attributes:
        pixels: ndarray of uint8 or uint16 of shape (height, width); 0 is black.
        notes: What a person should check, each to be read after "2 of 9 images". They
            quote nothing of the file.
    """

    pixels: np.ndarray
    notes: tuple[str, ...] = ()


def notes_of_levels(shown: np.ndarray) -> list[str]:
    """Says whether an image lost its grey levels on the way to the screen.

    Args:
        shown: ndarray of uint8 of shape (n,), what each distinct stored value becomes.
    """
    levels = np.unique(shown).size
    if levels == 1:
        return [
            "have one grey value everywhere: they are blank, or their window or table "
            "lies beside their values (`prepare --window` takes another)."
        ]
    if levels <= _FEWEST_LEVELS * min(shown.size, 256):
        return [
            "keep at most a third of the grey levels of their values: window, table or "
            "depth does not fit (`prepare --window` takes another)."
        ]
    return []
