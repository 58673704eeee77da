"""What every generator and discriminator shares; their weights by name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from gastritis_gan.models.network_size import block_resolutions, num_filters

_SEED_BYTES = 4


class Network(keras.Model):
    """Base of the networks: size, initial weights, alpha.

    The initial weights of a layer depend on `seed`, on the kind of network and on the
    layer's name only, so a block starts from the same weights whatever the final
    resolution.

    A network has its weights when constructed. It computes in the precision of its
    dtype policy, and its output in float32. It is called as `network(inputs,
    alpha=alpha, training=training)`; `alpha` is None unless `transition`.

    Args:
        resolution: Height and width of the images in pixels, a power of two from 4 to
            1024.
        fmap_base: See `num_filters`.
        fmap_max: See `num_filters`.
        num_channels: Channels of the images.
        seed: Determines the initial weights.
    """

    transition = False

    def __init__(
        self,
        resolution: int,
        *,
        fmap_base: int,
        fmap_max: int,
        num_channels: int = 1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        # No autocast: alpha has more digits than bfloat16.
        super().__init__(autocast=False, **kwargs)
        self._resolutions = block_resolutions(resolution)
        if num_channels < 1:
            raise ValueError(
                f"`num_channels` must be at least 1. Received: {num_channels}"
            )
        self.resolution = resolution
        self.fmap_base = fmap_base
        self.fmap_max = fmap_max
        self.num_channels = num_channels
        self.seed = seed

    def _filters(self, resolution: int) -> int:
        return num_filters(resolution, fmap_base=self.fmap_base, fmap_max=self.fmap_max)

    def _named(self, name: str) -> dict[str, Any]:
        """Returns the arguments of the weighted layer that has this name."""
        return {
            "name": name,
            "seed": self._layer_seed(name),
            "dtype": self.dtype_policy,
        }

    def _activated(self, name: str) -> dict[str, Any]:
        """Returns the same with a leaky ReLU."""
        return {**self._named(name), "activation": "leaky_relu"}

    def _layer_seed(self, name: str) -> int:
        text = f"{type(self).__name__}/{name}/{self.seed}"
        digest = hashlib.sha256(text.encode()).digest()
        return int.from_bytes(digest[:_SEED_BYTES], "big")

    def _check_alpha(self, alpha: Any) -> None:
        if self.transition and alpha is None:
            raise ValueError(
                "A network with `transition=True` needs `alpha`, a scalar in [0, 1]. "
                "Received: alpha=None"
            )
        if not self.transition and alpha is not None:
            raise ValueError(
                "A network with `transition=False` has nothing to fade: leave `alpha` "
                f"out. Received: alpha={alpha}"
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "resolution": self.resolution,
            "fmap_base": self.fmap_base,
            "fmap_max": self.fmap_max,
            "num_channels": self.num_channels,
            "seed": self.seed,
        }


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
