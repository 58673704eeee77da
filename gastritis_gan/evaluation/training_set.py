"""What one row of the table is trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Batches = Callable[[], Iterable[NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Patches of both classes, read batch by batch when they are needed.

    Attributes:
        name: The row's name, as in the paper's tables.
        num_positive: Number of positive patches.
        num_negative: Number of negative patches.
        positive: Function that yields the positive patches in batches of shape
            `(n, r, r, 1)` in [-1, 1], the same at every call.
        negative: The same for the negative ones.
    """

    name: str
    num_positive: int
    num_negative: int
    positive: Batches
    negative: Batches
