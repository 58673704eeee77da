"""How an audit measures and what it tolerates: the section `audit` of a config."""

from __future__ import annotations

import dataclasses
from typing import Literal

from gastritis_gan.typed_config import (
    require,
    require_at_least,
    require_between,
    require_different,
)

_RESOLUTIONS = (8, 1024)  # pixels
_MAX_SAMPLES = 10**7
_MAX_STEPS = 10**6


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Effort, thresholds and seed of a privacy audit (docs/privacy.md).

    The thresholds belong to the hospital: they state which risk it accepts.

    Attributes:
        samples_per_generator: Samples of each model that are examined. 10,000 as in the
            paper's GAN-train; a clean audit of n samples bounds the rate of copies by
            about 3.7 / n (rule of three, at a power of 0.8).
        match_resolution: Side in pixels at which pixels are compared, or the
            generator's size where that is smaller. 64 pixels distinguish patients far
            better than needed; the effort grows with the square.
        extractors: Spaces of features that are compared beside the pixels.
        false_alarm_rate: Probability that a generator that copies nobody fails, over
            all tests together.
        planted_copies: Known copies that are slipped in, shifted, flipped, brightened
            and noisy (20 dB), to show what the audit would have found. 200 give the
            power to within 0.06; of every other kind of disguise (docs/privacy.md) a
            fifth as many are planted: to within 0.15.
        min_power: Share of planted copies that must be found; below it "no copy found"
            means nothing. The usual convention for power.
        max_copy_rate: Copies per sample that may remain possible. At 1 in 1,000 a
            release of 1,000 images is expected to hold at most one; more samples lower
            what can be shown.
        max_membership_auc: AUC that an attack on membership may reach. 0.64 is where an
            attacker's advantage (TPR - FPR) reaches 0.2 when the scores of both groups
            are normal with equal variance.
        latent_patches_per_patient: Patches of each patient in the attack on the
            exported generator.
        latent_steps: Steps of descent of that attack.
        seed: Of every draw.
    """

    samples_per_generator: int = 10_000
    match_resolution: int = 64
    extractors: tuple[
        Literal[
            "texture",
            "vgg16_block5",
            "vgg16_fc2",
            "inception_v3_pool",
            "resnet50_pool",
        ],
        ...,
    ] = ("texture",)
    false_alarm_rate: float = 0.05
    planted_copies: int = 200
    min_power: float = 0.8
    max_copy_rate: float = 0.001
    max_membership_auc: float = 0.64
    latent_patches_per_patient: int = 4
    latent_steps: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        require_different(self, "extractors")
        require_between(self, 100, _MAX_SAMPLES, "samples_per_generator")
        require_between(self, *_RESOLUTIONS, "match_resolution")
        require_between(self, 20, _MAX_SAMPLES, "planted_copies")
        require_between(self, 0, _MAX_SAMPLES, "latent_patches_per_patient")
        require_between(self, 1, _MAX_STEPS, "latent_steps")
        require_at_least(self, 0, "seed")
        for key in ("false_alarm_rate", "min_power", "max_copy_rate"):
            value = getattr(self, key)
            require(0 < value < 1, key, "must be between 0 and 1", value)
        require(
            0.5 < self.max_membership_auc < 1,
            "max_membership_auc",
            "must be between 0.5 (chance) and 1",
            self.max_membership_auc,
        )
