"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keras import ops


def ema_decay(half_life_images: float, batch_size: int) -> float:
    """Returns the share of an average that a step keeps: 0.5^(batch / half-life).

    Args:
        half_life_images: Images after which a weight counts half; 0: no averaging.
        batch_size: Images per step.
    """
    return 0.5 ** (batch_size / half_life_images) if half_life_images else 0.0


def update_ema(
    averages: Iterable[Any],
    weights: Iterable[Any],
    *,
    decay: float,
    condition: Any = True,
) -> None:
    """Moves every average towards its weight: `weight + (average - weight) * decay`.

    Args:
        averages: Variables that receive the result.
        weights: As many variables of the same shapes.
        decay: Share of the average that stays, in [0, 1].
        condition: Boolean scalar; where it does not hold, averages stay.

    Raises:
        ValueError: There are more averages than weights, or fewer.
    """
    for average, weight in zip(averages, weights, strict=True):
        moved = weight + (average - weight) * decay
        average.assign(ops.where(condition, moved, average))
