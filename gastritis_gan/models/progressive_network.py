"""What the generator and the discriminator share."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
from keras import ops

from gastritis_gan.models.num_filters import (
    MIN_RESOLUTION,
    block_resolutions,
    num_filters,
)

_LEAKY_RELU_SLOPE = 0.2
_SEED_BYTES = 4


class ProgressiveNetwork(keras.Model):
    """Base of the two progressive networks: arguments, initial weights, alpha.

    The initial weights of a layer depend on `seed`, on the kind of network and on the
    layer's name only, so a block starts from the same weights whatever the final
    resolution.
    """

    def __init__(
        self,
        resolution: int,
        *,
        fmap_base: int,
        fmap_max: int,
        num_channels: int,
        fused_scale: bool,
        transition: bool,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._resolutions = block_resolutions(resolution)
        if num_channels < 1:
            raise ValueError(
                f"`num_channels` must be at least 1. Received: {num_channels}"
            )
        if transition and resolution == MIN_RESOLUTION:
            raise ValueError(
                f"`transition` needs a lower resolution to fade from, and {resolution} "
                "pixels have none. Received: transition=True"
            )
        self.resolution = resolution
        self.fmap_base = fmap_base
        self.fmap_max = fmap_max
        self.num_channels = num_channels
        self.fused_scale = fused_scale
        self.transition = transition
        self.seed = seed

    def _filters(self, resolution: int) -> int:
        return num_filters(resolution, fmap_base=self.fmap_base, fmap_max=self.fmap_max)

    def _named(self, name: str) -> dict[str, Any]:
        """Returns the arguments of the weighted layer that has this name."""
        text = f"{type(self).__name__}/{name}/{self.seed}"
        digest = hashlib.sha256(text.encode()).digest()
        layer_seed = int.from_bytes(digest[:_SEED_BYTES], "big")
        return {"name": name, "seed": layer_seed, "dtype": self.dtype_policy}

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
            "fused_scale": self.fused_scale,
            "transition": self.transition,
            "seed": self.seed,
        }


def leaky_relu(x: Any) -> Any:
    """Returns `x` where positive, else a fifth of it."""
    return ops.leaky_relu(x, negative_slope=_LEAKY_RELU_SLOPE)
