"""What every generator and discriminator shares."""

from __future__ import annotations

import hashlib
from typing import Any

import keras

from gastritis_gan.models.num_filters import block_resolutions, num_filters

_SEED_BYTES = 4


class Network(keras.Model):
    """Base of the networks: size, initial weights, alpha.

    The initial weights of a layer depend on `seed`, on the kind of network and on the
    layer's name only, so a block starts from the same weights whatever the final
    resolution.

    A network computes in the precision of its dtype policy, and its output in float32.
    It is called as `network(inputs, alpha=alpha, training=training)`; `alpha` is None
    unless `transition`.
    """

    def __init__(
        self,
        resolution: int,
        *,
        fmap_base: int,
        fmap_max: int,
        num_channels: int,
        transition: bool = False,
        seed: int,
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
        self.transition = transition
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

    def _rectified(self, name: str) -> dict[str, Any]:
        """Returns the arguments of the weighted layer that has this name, rectified."""
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
