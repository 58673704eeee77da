"""How GAN-train is measured: the section `evaluation`."""

from __future__ import annotations

import dataclasses
from typing import Literal

from gastritis_gan.typed_config import (
    require,
    require_at_least,
    require_between,
    require_different,
)

_MAX_SAMPLES = 10**7  # features of so many take the memory of a large machine
_MAX_SEEDS = 1000

ExtractorName = Literal[
    "texture",
    "mean_and_std",
    "vgg16_block5",
    "vgg16_fc2",
    "inception_v3_pool",
    "resnet50_pool",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """GAN-train (paper, section IV-A).

    Attributes:
        extractors: Which features a classifier gets; each has a table of its own.
        samples_per_generator: Images that every generator draws.
        patches_per_class: Patches of each class that train the classifier, chosen among
            these, or among those of the training patients.
        vote: Which patches of a test image vote on its class: `all`, as in the paper,
            or only those `inside` the organ.
        svm_c: C of the linear support vector machine; docs/evaluation.md has the
            comparison that it comes from.
        num_sample_seeds: How often everything is drawn anew, from `seed` upwards.
        controls: Whether to add permuted labels, few real patients, mixtures and
            GAN-test.
        seed: Of every draw.
    """

    extractors: tuple[ExtractorName, ...] = (
        "vgg16_fc2",
        "inception_v3_pool",
        "resnet50_pool",
    )
    samples_per_generator: int = 10_000
    patches_per_class: int = 5_000
    vote: Literal["all", "inside"] = "all"
    svm_c: float = 0.0001
    num_sample_seeds: int = 1
    controls: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require(bool(self.extractors), "extractors", "must name at least one", ())
        require_different(self, "extractors")
        require_between(
            self, 1, _MAX_SAMPLES, "samples_per_generator", "patches_per_class"
        )
        require_between(self, 1, _MAX_SEEDS, "num_sample_seeds")
        require(
            self.patches_per_class <= self.samples_per_generator,
            "patches_per_class",
            "must not exceed `samples_per_generator`",
            self.patches_per_class,
        )
        require(self.svm_c > 0, "svm_c", "must be positive", self.svm_c)
        require_at_least(self, 0, "seed")
