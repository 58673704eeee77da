"""Weights by name: how a network grows and how checkpoints hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np


def get_weights_by_name(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns a copy of a built model's weights, keyed `"<layer>/<kernel or bias>"`."""
    return {
        name: variable.value.numpy()
        for name, variable in _variables_by_name(model).items()
    }


def set_weights_by_name(
    model: keras.Model, weights: Mapping[str, np.ndarray], *, partial: bool = False
) -> None:
    """Sets a built model's weights; nothing is set if any of them does not fit.

    Args:
        model: Receives the weights.
        weights: As `get_weights_by_name` returns them.
        partial: Whether the model may lack some of `weights` and keep some of its own,
            as when a network grows. If not, the names must be the same.

    Raises:
        ValueError: A name is missing or unknown, or a shape differs; the message names
            them.
    """
    variables = _variables_by_name(model)
    missing = sorted(variables.keys() - weights.keys())
    unknown = sorted(weights.keys() - variables.keys())
    if not partial and (missing or unknown):
        raise ValueError(
            "`weights` must have the model's names unless `partial=True`. "
            f"Missing: {missing}. Unknown: {unknown}"
        )
    shared = variables.keys() & weights.keys()
    if not shared:
        raise ValueError(
            f"`weights` has no name of the model. Received: {unknown}. "
            f"Allowed: {missing}"
        )
    wrong = [
        f"{name} {np.shape(weights[name])} instead of {tuple(variables[name].shape)}"
        for name in sorted(shared)
        if np.shape(weights[name]) != tuple(variables[name].shape)
    ]
    if wrong:
        raise ValueError(f"`weights` has the wrong shapes: {'; '.join(wrong)}")
    for name in shared:
        variables[name].assign(weights[name])


def _variables_by_name(model: keras.Model) -> dict[str, Any]:
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }
