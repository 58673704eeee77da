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
    """GAN-train (paper, section IV-A)."""

    extractors: tuple[ExtractorName, ...] = (
        "vgg16_fc2",
        "inception_v3_pool",
        "resnet50_pool",
    )
    samples_per_generator: int = 10_000
    patches_per_class: int = 5_000
    vote: Literal["all", "inside"] = "all"  # which patches of a test image vote
    svm_c: float = 0.0001  # of a linear SVM; docs/evaluation.md has the comparison
    num_sample_seeds: int = 1  # how often everything is drawn, from `seed` upwards
    controls: bool = True  # permuted labels, few patients, mixing, GAN-test
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
