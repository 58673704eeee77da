"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def update_ema(
    averages: Iterable[Any], weights: Iterable[Any], *, decay: float
) -> None:
    """Moves every average towards its weight: `weight + (average - weight) * decay`.

    Args:
        averages: Variables that receive the result.
        weights: As many variables of the same shapes.
        decay: Share of the average that stays, in [0, 1].

    Raises:
        ValueError: There are more averages than weights, or fewer.
    """
    for average, weight in zip(averages, weights, strict=True):
        average.assign(weight + (average - weight) * decay)
