"""How the patches of the test images voted under one row's classifier."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowVotes:
    """One row of the table before anything is averaged.

    Attributes:
        name: The row's name, as in the paper's tables.
        num_positive: Number of positive patches the classifier was trained on.
        num_negative: Number of negative ones.
        converged: Whether the classifier's optimizer reached its tolerance.
        positive_votes: Shape `(images,)`: how many patches of each test image were
            classified as positive.
    """

    name: str
    num_positive: int
    num_negative: int
    converged: bool
    positive_votes: NDArray[np.int64]
