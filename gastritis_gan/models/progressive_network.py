"""What the progressive generator and discriminator share."""

from __future__ import annotations

from typing import Any

from gastritis_gan.models.network import Network
from gastritis_gan.models.num_filters import MIN_RESOLUTION


class ProgressiveNetwork(Network):
    """Base of the two progressive networks, whose last block may fade in."""

    def __init__(self, resolution: int, *, transition: bool, **kwargs: Any) -> None:
        super().__init__(resolution, transition=transition, **kwargs)
        if transition and resolution == MIN_RESOLUTION:
            raise ValueError(
                f"`transition` needs a lower resolution to fade from, and {resolution} "
                "pixels have none. Received: transition=True"
            )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "transition": self.transition}
