"""The experiment file: one YAML file is one experiment, strict and typed.

Every default is stated here and nowhere else. Only `cli/` and `training/run.py` read
it; the rest of the package takes plain arguments.
"""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any, Literal

import yaml

from gastritis_gan.errors import InputError
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.typed_config import from_plain, require, require_at_least, to_plain

ExtractorName = Literal[
    "texture",
    "mean_and_deviation",
    "vgg16_block5",
    "vgg16_fc2",
    "inception_v3_pool",
    "resnet50_pool",
]

MAX_RESOLUTION = 1024
_MIN_RESOLUTION = 4
_MIN_DCGAN_RESOLUTION = 8
_HALF = 0.5


def _is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CohortConfig:
    """What the labels in `cohort.csv` are called and how images are stored."""

    positive: str = "gastritis"
    negative: str = "non_gastritis"
    bits: int = 8  # per stored pixel
    image_size: int | Literal[None] = None  # every image's side in pixels; None: any
    other_sizes: Literal["refuse", "pad", "rescale"] = "refuse"  # than image_size
    pixel_spacing_mm: float | Literal[None] = None  # of every image after "rescale"

    def __post_init__(self) -> None:
        require(self.bits in (8, 16), "bits", "must be 8 or 16", self.bits)
        if self.image_size is not None:
            require_at_least(self, 1, "image_size")
        require(
            self.other_sizes == "refuse" or self.image_size is not None,
            "other_sizes",
            "needs `cohort.image_size` unless it is refuse",
            self.other_sizes,
        )
        spacing = self.pixel_spacing_mm
        require(
            (self.other_sizes == "rescale") == (spacing is not None)
            and (spacing is None or spacing > 0),
            "pixel_spacing_mm",
            "must be a positive number with `other_sizes: rescale`, and null without",
            spacing,
        )
        for key in ("positive", "negative"):
            name = getattr(self, key)
            require(bool(name.strip()), key, "must name a class", name)
        require(
            self.positive != self.negative,
            "negative",
            "must differ from `positive`",
            self.negative,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How many patients of each class train; the rest test. Patients never straddle.

    The validation patients are taken from the training ones, so that the test patients
    are the same with and without them.
    """

    train_positive_patients: int = 100
    train_negative_patients: int = 100
    validation_positive_patients: int = 0  # of those above
    validation_negative_patients: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least(self, 1, "train_positive_patients", "train_negative_patients")
        for label in ("positive", "negative"):
            key = f"validation_{label}_patients"
            require_at_least(self, 0, key)
            most = getattr(self, f"train_{label}_patients") - 1
            require(
                getattr(self, key) <= most,
                key,
                f"must leave a patient of `train_{label}_patients` to train on, so be "
                f"at most {most}",
                getattr(self, key),
            )
        require_at_least(self, 0, "seed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworksConfig:
    """Size of the generator and the discriminator (Karras et al. 2018, Table 2).

    `precision` and `jit_compile` say how they are computed, and hold for dcgan too.
    """

    latent_dim: int = 512
    fmap_base: int = 8192
    fmap_max: int = 512
    mbstd_group_size: int = 4
    fused_scale: bool = False  # True: the discriminator is another network, see docs
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit_compile: bool = False  # XLA compiles the gradients

    def __post_init__(self) -> None:
        require_at_least(
            self, 1, "latent_dim", "fmap_base", "fmap_max", "mbstd_group_size"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How long each resolution trains and on which batch; images are real images.

    Numbers are one for every resolution or a mapping from resolution to number. The
    first resolution has no transition.
    """

    initial_resolution: int = 4
    final_resolution: int = 256
    transition_images: int | dict[int, int] = 600_000
    stable_images: int | dict[int, int] = 600_000
    batch_size: int | dict[int, int] = dataclasses.field(
        default_factory=lambda: {4: 32, 8: 32, 16: 16, 32: 16, 64: 16, 128: 16, 256: 8}
    )
    accumulation_steps: int | dict[int, int] = 1  # parts that a batch is computed in

    def __post_init__(self) -> None:
        for key in ("initial_resolution", "final_resolution"):
            resolution = getattr(self, key)
            require(
                _is_power_of_two(resolution)
                and _MIN_RESOLUTION <= resolution <= MAX_RESOLUTION,
                key,
                f"must be a power of two from {_MIN_RESOLUTION} to {MAX_RESOLUTION}",
                resolution,
            )
        require(
            self.initial_resolution <= self.final_resolution,
            "initial_resolution",
            "must not exceed `final_resolution`",
            self.initial_resolution,
        )
        self._check("transition_images", self.resolutions[1:], least=0)
        self._check("stable_images", self.resolutions, least=0)
        self._check("batch_size", self.resolutions, least=1)
        self._check("accumulation_steps", self.resolutions, least=1)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions from the initial to the final one, in pixels."""
        first = self.initial_resolution.bit_length()
        last = self.final_resolution.bit_length()
        return tuple(1 << (bits - 1) for bits in range(first, last + 1))

    def _check(self, key: str, resolutions: tuple[int, ...], *, least: int) -> None:
        value = getattr(self, key)
        numbers = value if isinstance(value, dict) else {"": value}
        for resolution, number in numbers.items():
            where = f"{key}.{resolution}" if resolution else key
            require(number >= least, where, f"must be at least {least}", number)
        if isinstance(value, dict):
            missing = [r for r in resolutions if r not in value]
            require(
                not missing,
                key,
                f"must name every resolution it applies to; missing: {missing}",
                value,
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What the two networks minimise (paper, Eq. 2-7)."""

    adversarial_loss: Literal["logistic", "wgan_gp", "lsgan"] = "logistic"
    generator_loss: Literal["non_saturating", "minimax"] = "non_saturating"
    lc_resolution: int = 256  # Eq. 5 applies from this resolution on
    lc_weight: float = 0.5  # lambda in Eq. 5
    r1_weight: float | Literal["auto"] = "auto"  # auto: 0.0002 * resolution^2 / batch
    r1_interval_steps: int = 16
    gradient_penalty_weight: float = 10.0  # wgan_gp only
    drift_penalty_weight: float = 0.001  # wgan_gp only

    def __post_init__(self) -> None:
        require(
            _is_power_of_two(self.lc_resolution)
            and self.lc_resolution >= _MIN_RESOLUTION,
            "lc_resolution",
            f"must be a power of two from {_MIN_RESOLUTION}",
            self.lc_resolution,
        )
        require_at_least(
            self, 0, "lc_weight", "gradient_penalty_weight", "drift_penalty_weight"
        )
        require_at_least(self, 1, "r1_interval_steps")
        if self.r1_weight != "auto":
            require_at_least(self, 0, "r1_weight")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam of both networks, and the generator's moving average.

    A learning rate is one number for every resolution or a mapping from resolution to
    number.
    """

    learning_rate: float | dict[int, float] = 0.001
    discriminator_learning_rate: float | dict[int, float] | Literal[None] = None
    beta_1: float = 0.0
    beta_2: float = 0.99
    epsilon: float = 1e-8
    at_growth: Literal["reset", "keep"] = "reset"  # Adam's state at a new resolution
    ema_half_life_images: int = (
        11_000  # at batches of 16: 0.999 per step; 0: no average
    )

    def __post_init__(self) -> None:
        for key in ("learning_rate", "discriminator_learning_rate"):
            rate = getattr(self, key)
            for value in rate.values() if isinstance(rate, dict) else [rate]:
                require(value is None or value > 0, key, "must be positive", value)
        require(self.epsilon > 0, "epsilon", "must be positive", self.epsilon)
        _check_betas(self)
        require_at_least(self, 0, "ema_half_life_images")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Changes to the images that the discriminator sees, for small cohorts.

    `flips` mirrors real patches, so that samples are mirrored too. The other transforms
    change real patches and samples alike, so that samples stay as they are.
    """

    flips: bool = False  # left to right; a stomach has a side
    probability: float = 0.0  # of each transform, per image
    transforms: tuple[
        Literal["translation", "brightness", "contrast", "cutout"], ...
    ] = ("translation", "brightness", "contrast", "cutout")

    def __post_init__(self) -> None:
        require(
            0 <= self.probability < _HALF,
            "probability",
            "must be from 0 to below 0.5, where no transform can leak into samples",
            self.probability,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DCGANConfig:
    """The model dcgan (Radford et al. 2016): one resolution, one fixed objective.

    Of the other sections `networks.precision`, `networks.jit_compile`,
    `optimizer.epsilon` and `augmentation` apply to it.
    """

    resolution: int = 64
    num_images: int = 1_200_000  # as many as a resolution of the others gets
    batch_size: int = 128
    latent_dim: int = 100
    fmap_base: int = 2048
    fmap_max: int = 1024
    learning_rate: float = 0.0002
    beta_1: float = 0.5
    beta_2: float = 0.999
    ema_half_life_images: int = 0  # none

    def __post_init__(self) -> None:
        require(
            _is_power_of_two(self.resolution)
            and _MIN_DCGAN_RESOLUTION <= self.resolution <= MAX_RESOLUTION,
            "resolution",
            f"must be a power of two from {_MIN_DCGAN_RESOLUTION} to {MAX_RESOLUTION}",
            self.resolution,
        )
        require_at_least(
            self, 1, "num_images", "batch_size", "latent_dim", "fmap_base", "fmap_max"
        )
        require(
            self.learning_rate > 0,
            "learning_rate",
            "must be positive",
            self.learning_rate,
        )
        _check_betas(self)
        require_at_least(self, 0, "ema_half_life_images")


def _check_betas(section: OptimizerConfig | DCGANConfig) -> None:
    for key in ("beta_1", "beta_2"):
        value = getattr(section, key)
        require(0 <= value < 1, key, "must be from 0 to below 1", value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Seed and bookkeeping of a run."""

    seed: int = 0
    tick_images: int = 20_000  # metrics are logged this often
    checkpoint_images: int = 100_000  # with a sheet of samples
    keep_checkpoints: int = 2
    sheet_columns: int = 8  # the sample sheet is square
    health_patches: int = 128  # real patches and samples looked at per tick; 0: none
    max_skipped_steps: int = 10  # in a row, for want of a finite loss and gradient
    distribution: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"

    def __post_init__(self) -> None:
        require_at_least(self, 0, "seed", "health_patches", "max_skipped_steps")
        require_at_least(
            self,
            1,
            "tick_images",
            "checkpoint_images",
            "keep_checkpoints",
            "sheet_columns",
        )


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
    svm_kernel: Literal["linear", "rbf"] = "linear"
    svm_c: float = 0.0001  # docs/evaluation.md has the comparison
    svm_scaling: Literal["standard", "unit_length", "none"] = "standard"
    num_sample_seeds: int = 1  # how often everything is drawn, from `seed` upwards
    controls: bool = True  # permuted labels, few patients, mixing, GAN-test
    seed: int = 0

    def __post_init__(self) -> None:
        require(bool(self.extractors), "extractors", "must name at least one", ())
        require_at_least(
            self, 1, "samples_per_generator", "patches_per_class", "num_sample_seeds"
        )
        require(
            self.patches_per_class <= self.samples_per_generator,
            "patches_per_class",
            "must not exceed `samples_per_generator`",
            self.patches_per_class,
        )
        require(self.svm_c > 0, "svm_c", "must be positive", self.svm_c)
        require_at_least(self, 0, "seed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """A complete experiment; the defaults are the paper's where it states a value."""

    cohort: CohortConfig = CohortConfig()
    patches: PatchGeometry = PatchGeometry()
    split: SplitConfig = SplitConfig()
    networks: NetworksConfig = NetworksConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    dcgan: DCGANConfig = DCGANConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    audit: AuditSettings = AuditSettings()

    def __post_init__(self) -> None:
        require(
            self.schedule.final_resolution <= self.patches.patch_size,
            "schedule.final_resolution",
            f"must not exceed `patches.patch_size` ({self.patches.patch_size})",
            self.schedule.final_resolution,
        )
        group = self.networks.mbstd_group_size
        for resolution in self.schedule.resolutions:
            size = _at(self.schedule.batch_size, resolution)
            parts = _at(self.schedule.accumulation_steps, resolution)
            part, rest = divmod(size, parts)
            require(
                part > 0 and not rest and part % min(group, part) == 0,
                "schedule.batch_size",
                f"must be a multiple of `networks.mbstd_group_size` ({group})"
                + (f" x `schedule.accumulation_steps` ({parts})" if parts > 1 else ""),
                size,
            )
            for key in ("learning_rate", "discriminator_learning_rate"):
                rate = getattr(self.optimizer, key)
                require(
                    not isinstance(rate, dict) or resolution in rate,
                    f"optimizer.{key}",
                    f"must name every resolution it applies to; missing: {resolution}",
                    rate,
                )


def _at(value: int | dict[int, int], resolution: int) -> int:
    return value[resolution] if isinstance(value, dict) else value


def load_config(path: Path) -> ExperimentConfig:
    """Reads an experiment file.

    Raises:
        InputError: The file cannot be read, is no YAML mapping, or holds an unknown
            key, a wrong type or an impossible value; the message names the key and the
            rule.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not valid YAML ({reason}).") from None
    try:
        return config_from_dict({} if document is None else document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def config_from_dict(document: Any) -> ExperimentConfig:
    """Builds a config from nested mappings, as `config_to_dict` makes them.

    Raises:
        InputError: As `load_config`, without the file's name.
    """
    return typing.cast(ExperimentConfig, from_plain(ExperimentConfig, document))


def config_to_dict(config: ExperimentConfig) -> dict[str, Any]:
    """Returns nested plain mappings that `config_from_dict` reads back."""
    return to_plain(config)


def dump_config(config: ExperimentConfig) -> str:
    """Returns the resolved config as YAML, every key present."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False)
