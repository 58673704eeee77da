"""How the training step of a stage works, beside its objective."""

from __future__ import annotations

import dataclasses
from typing import Literal

from gastritis_gan.training.augmentation import Augmentation


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepOptions:
    """Settings of `ProgressiveGAN`.

    Attributes:
        seed: Seed of the run.
        ema_decay: Share of the generator's moving average that a step keeps.
        num_micro_batches: Parts that a replica's batch is computed in, one after the
            other; gradients are their mean.
        flips: Whether real images are mirrored, each with a probability of one half.
        augmentation: Of all images that the discriminator sees.
        scales_loss: Whether losses are scaled, as float16 needs it.
        max_skipped_steps: More in a row are too many.
        compiled: What XLA compiles: the computation of gradients, or the whole step,
            which must have one replica, one micro-batch and no augmentation.
    """

    seed: int
    ema_decay: float
    num_micro_batches: int
    flips: bool
    augmentation: Augmentation
    scales_loss: bool
    max_skipped_steps: int
    compiled: Literal["nothing", "gradients", "step"]
