"""Networks, schedule, objective, optimizer, bookkeeping: the sections of training."""

from __future__ import annotations

import dataclasses
from typing import Literal, TypeAlias

from gastritis_gan.training.schedule import at_resolution
from gastritis_gan.typed_config import require, require_at_least

ModelName = Literal["pggan", "lc_pggan", "dcgan"]
Target = Literal["positive", "negative"]
"""The class to imitate."""
Precision: TypeAlias = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Transform: TypeAlias = Literal["translation", "brightness", "contrast", "cutout"]

MAX_RESOLUTION = 1024
_MIN_RESOLUTION = 4
_MIN_DCGAN_RESOLUTION = 8


def _is_power_of_two(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworksConfig:
    """Size of the generator and the discriminator (Karras et al. 2018, Table 2).

    `precision` and `jit_compile` decide how they are computed, and hold for dcgan too.
    """

    latent_dim: int = 512
    fmap_base: int = 8192
    fmap_max: int = 512
    mbstd_group_size: int = 4
    fused_scale: bool = False  # True: the discriminator is another network, see docs
    precision: Precision = "float32"
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

    adversarial_loss: Literal["logistic", "wgan_gp"] = "logistic"
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
    warmup_images: int = 0  # at a new resolution rates rise from 0 over these
    decay_images: int = 0  # at the end of a run rates fall to 0 over these
    ema_half_life_images: int = (
        11_000  # at batches of 16: 0.999 per step; 0: no average
    )

    def __post_init__(self) -> None:
        require(self.epsilon > 0, "epsilon", "must be positive", self.epsilon)
        require_at_least(self, 0, "warmup_images", "decay_images")
        _check_optimizer(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Changes to the images that the discriminator sees, for small cohorts.

    `flips` mirrors real patches, so that samples are mirrored too. The other transforms
    change real patches and samples alike, so that samples stay as they are.
    """

    flips: bool = False  # left to right; a stomach has a side
    probability: float = 0.0  # of each transform, per image
    transforms: tuple[Transform, ...] = (
        "translation",
        "brightness",
        "contrast",
        "cutout",
    )

    def __post_init__(self) -> None:
        require(
            0 <= self.probability < 0.5,
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
        _check_optimizer(self)


def _check_optimizer(section: OptimizerConfig | DCGANConfig) -> None:
    for key in ("learning_rate", "discriminator_learning_rate"):
        rate = getattr(section, key, None)  # dcgan has one rate
        for value in rate.values() if isinstance(rate, dict) else [rate]:
            require(value is None or value > 0, key, "must be positive", value)
    for key in ("beta_1", "beta_2"):
        value = getattr(section, key)
        require(0 <= value < 1, key, "must be from 0 to below 1", value)
    require_at_least(section, 0, "ema_half_life_images")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Seed and bookkeeping of a run."""

    seed: int = 0
    tick_images: int = 20_000  # metrics are logged this often
    checkpoint_images: int = 100_000  # with a sheet of samples
    keep_checkpoints: int = 2
    sheet_columns: int = 8  # the sample sheet is square
    health_patches: int = 128  # real patches and samples looked at per tick; 0: none
    max_skipped_steps: int = 10  # in a row, without a finite loss and gradient
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
class TrainingSections:
    """The sections of an experiment that decide on a run, checked together."""

    networks: NetworksConfig = NetworksConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    dcgan: DCGANConfig = DCGANConfig()
    training: TrainingConfig = TrainingConfig()

    def __post_init__(self) -> None:
        group = self.networks.mbstd_group_size
        for resolution in self.schedule.resolutions:
            size = at_resolution(self.schedule.batch_size, resolution)
            parts = at_resolution(self.schedule.accumulation_steps, resolution)
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
