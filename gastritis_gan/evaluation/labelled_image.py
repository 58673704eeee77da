"""A radiograph that the evaluation decides on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """An image of a test patient and the patches that vote on it.

    Attributes:
        key: The image's pseudonym.
        patient: The patient's pseudonym.
        positive: The true class.
        num_patches: How many patches vote, at least 1.
        read_patches: Function that returns them: shape `(num_patches, r, r, 1)`, in
            [-1, 1].
    """

    key: str
    patient: str
    positive: bool
    num_patches: int
    read_patches: Callable[[], NDArray[np.float32]]
