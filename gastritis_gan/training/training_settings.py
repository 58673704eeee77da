"""Networks, schedule, objective, optimizer, bookkeeping: the sections of training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal, TypeAlias

from gastritis_gan.training.schedule import at_resolution
from gastritis_gan.typed_config import (
    MAX_INTEGER,
    require,
    require_at_least,
    require_between,
    require_different,
)

ModelName = Literal["pggan", "lc_pggan", "dcgan"]
Target = Literal["positive", "negative"]
"""The class to imitate."""
Precision: TypeAlias = Literal["float32", "mixed_bfloat16", "mixed_float16"]
Transform: TypeAlias = Literal["translation", "brightness", "contrast", "cutout"]

MAX_RESOLUTION = 1024
_MIN_RESOLUTION = 4
_MIN_DCGAN_RESOLUTION = 8
_MAX_FMAP_BASE = 1 << 20
_MAX_WIDTH = 1 << 14  # of a layer
_MAX_BATCH = 1 << 16
_MAX_SHEET_COLUMNS = 64
_MIN_HEALTH_PATCHES = 2  # they are compared with each other


def _check_resolution(section: object, key: str, *, least: int) -> None:
    resolution = getattr(section, key)
    require(
        resolution is None
        or (
            resolution & (resolution - 1) == 0 and least <= resolution <= MAX_RESOLUTION
        ),
        key,
        f"must be a power of two from {least} to {MAX_RESOLUTION}",
        resolution,
    )


def _check_resolutions(key: str, numbers: Mapping[int, object]) -> None:
    """Refuses a mapping that names what no network has."""
    known = [_MIN_RESOLUTION << i for i in range(9) if _MIN_RESOLUTION << i <= 1024]
    unknown = [resolution for resolution in numbers if resolution not in known]
    require(not unknown, key, f"must have keys among {known} only", unknown)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworksConfig:
    """Size of the generator and the discriminator (Karras et al. 2018, Table 2).

    `precision` and `jit_compile` decide how they are computed, and hold for dcgan too.

    Attributes:
        latent_dim: Length of a latent, the random vector that an image is made of.
        fmap_base: Feature maps at a resolution are `fmap_base` / (resolution / 2), at
            most `fmap_max`.
        fmap_max: The most feature maps that a layer has.
        mbstd_group_size: Images whose standard deviation the discriminator sees
            together (minibatch standard deviation).
        fused_scale: Whether the discriminator convolves and halves in one operation:
            another network with fewer multiplications (docs/training.md).
        precision: Type that convolutions are computed in. auto: mixed_bfloat16 on a
            processor with matrix units for it (AMX) and no GPU, else float32; a run
            keeps what it began with.
        jit_compile: Whether XLA compiles the gradients.
    """

    latent_dim: int = 512
    fmap_base: int = 8192
    fmap_max: int = 512
    mbstd_group_size: int = 4
    fused_scale: bool = False
    precision: Literal[Precision, "auto"] = "float32"
    jit_compile: bool = False

    def __post_init__(self) -> None:
        require_between(self, 1, _MAX_FMAP_BASE, "fmap_base")
        require_between(self, 1, _MAX_WIDTH, "latent_dim", "fmap_max")
        require_between(self, 1, _MAX_BATCH, "mbstd_group_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How long each resolution trains and on which batch; images are real images.

    Numbers are one for every resolution or a mapping from resolution to number. The
    first resolution has no transition.

    Attributes:
        initial_resolution: Where growth begins, in pixels: a power of two.
        final_resolution: Side of the synthetic images in pixels: a power of two, at
            most `patches.patch_size`.
        transition_images: Real images that fade in a new resolution.
        stable_images: Real images that train it afterwards.
        batch_size: Real images of a step, over all devices together.
        accumulation_steps: Parts that a batch is computed in, to need less memory.
    """

    initial_resolution: int = 4
    final_resolution: int = 256
    transition_images: int | dict[int, int] = 600_000
    stable_images: int | dict[int, int] = 600_000
    batch_size: int | dict[int, int] = dataclasses.field(
        default_factory=lambda: {4: 32, 8: 32, 16: 16, 32: 16, 64: 16, 128: 16, 256: 8}
    )
    accumulation_steps: int | dict[int, int] = 1

    def __post_init__(self) -> None:
        for key in ("initial_resolution", "final_resolution"):
            _check_resolution(self, key, least=_MIN_RESOLUTION)
        require(
            self.initial_resolution <= self.final_resolution,
            "initial_resolution",
            "must not exceed `final_resolution`",
            self.initial_resolution,
        )
        self._check("transition_images", self.resolutions[1:], least=0)
        self._check("stable_images", self.resolutions, least=0)
        self._check("batch_size", self.resolutions, least=1, most=_MAX_BATCH)
        self._check("accumulation_steps", self.resolutions, least=1)
        require(
            bool(self.trained_resolutions),
            "stable_images",
            "and `transition_images` must not all be 0: nothing would train",
            self.stable_images,
        )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions from the initial to the final one, in pixels."""
        first = self.initial_resolution.bit_length()
        last = self.final_resolution.bit_length()
        return tuple(1 << (bits - 1) for bits in range(first, last + 1))

    @property
    def trained_resolutions(self) -> tuple[int, ...]:
        """Those of them at which a phase has an image."""
        return tuple(
            r
            for r in self.resolutions
            if at_resolution(self.stable_images, r)
            or (
                r > self.initial_resolution and at_resolution(self.transition_images, r)
            )
        )

    def _check(
        self,
        key: str,
        resolutions: tuple[int, ...],
        *,
        least: int,
        most: int = MAX_INTEGER,
    ) -> None:
        value = getattr(self, key)
        numbers = value if isinstance(value, dict) else {"": value}
        for resolution, number in numbers.items():
            where = f"{key}.{resolution}" if resolution else key
            require(number >= least, where, f"must be at least {least}", number)
            require(number <= most, where, f"must be at most {most}", number)
        if isinstance(value, dict):
            _check_resolutions(key, value)
            missing = [r for r in resolutions if r not in value]
            require(
                not missing,
                key,
                f"must name every resolution it applies to; missing: {missing}",
                value,
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What the two networks minimise (paper, Eq. 2-7).

    Attributes:
        adversarial_loss: `logistic` is the paper's; lc_pggan needs it.
        generator_loss: `minimax` is Eq. 4 as it stands, which has no gradient early in
            a training.
        lc_resolution: Resolution in pixels from which on lc_pggan judges patches of the
            other class and of the outside as fake (Eq. 5); null: the final resolution.
        lc_weight: lambda in Eq. 5, the weight of each of these two sets.
        r1_weight: gamma of the gradient penalty R1 on real patches (logistic loss);
            `auto` is 0.0002 * resolution^2 / batch, 0 leaves it out.
        r1_interval_steps: R1 is computed every so many steps, and that many times as
            strong.
        gradient_penalty_weight: Of the penalty of `wgan_gp`.
        drift_penalty_weight: Of the drift term of `wgan_gp`.
    """

    adversarial_loss: Literal["logistic", "wgan_gp"] = "logistic"
    generator_loss: Literal["non_saturating", "minimax"] = "non_saturating"
    lc_resolution: int | Literal[None] = None
    lc_weight: float = 0.5
    r1_weight: float | Literal["auto"] = "auto"
    r1_interval_steps: int = 16
    gradient_penalty_weight: float = 10.0
    drift_penalty_weight: float = 0.001

    def __post_init__(self) -> None:
        _check_resolution(self, "lc_resolution", least=_MIN_RESOLUTION)
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

    Attributes:
        learning_rate: Of both networks.
        discriminator_learning_rate: Of the discriminator; null: the same.
        beta_1: Decay of Adam's first moment.
        beta_2: Decay of its second moment.
        epsilon: What Adam adds to its denominator.
        at_growth: Whether Adam's state is `reset` at a new resolution, or layers that
            stay `keep` theirs.
        warmup_images: Real images over which rates rise from 0 at a new resolution.
        decay_images: Real images over which they fall to 0 at the end of a run.
        ema_half_life_images: Real images after which half of a weight is left in the
            moving average that samples come from. 11,000 are 0.999 per step at batches
            of 16; 0: no average.
    """

    learning_rate: float | dict[int, float] = 0.001
    discriminator_learning_rate: float | dict[int, float] | Literal[None] = None
    beta_1: float = 0.0
    beta_2: float = 0.99
    epsilon: float = 1e-8
    at_growth: Literal["reset", "keep"] = "reset"
    warmup_images: int = 0
    decay_images: int = 0
    ema_half_life_images: int = 11_000

    def __post_init__(self) -> None:
        require(self.epsilon > 0, "epsilon", "must be positive", self.epsilon)
        require_at_least(self, 0, "warmup_images", "decay_images")
        _check_optimizer(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Changes to the images that the discriminator sees, for small cohorts.

    `flips` mirrors real patches, so that samples are mirrored too. The other transforms
    change real patches and samples alike, so that samples stay as they are.

    Attributes:
        flips: Whether half of the real patches are mirrored left to right. A stomach
            has a side, hence off.
        probability: Of each transform, per image, from 0 to below 0.5; 0: none.
        transforms: Which ones.
    """

    flips: bool = False
    probability: float = 0.0
    transforms: tuple[Transform, ...] = (
        "translation",
        "brightness",
        "contrast",
        "cutout",
    )

    def __post_init__(self) -> None:
        require_different(self, "transforms")
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

    Attributes:
        resolution: Side of its images in pixels; null: `schedule.final_resolution`, at
            least 8.
        num_images: Real images that it trains on; by default as many as one resolution
            of the others gets.
        batch_size: Real images of a step, over all devices together.
        latent_dim: Length of a latent.
        fmap_base: As in `networks`.
        fmap_max: As in `networks`.
        learning_rate: Of both networks.
        beta_1: Decay of Adam's first moment.
        beta_2: Decay of its second moment.
        ema_half_life_images: As in `optimizer`; 0: no moving average, as in the
            original.
    """

    resolution: int | Literal[None] = None
    num_images: int = 1_200_000
    batch_size: int = 128
    latent_dim: int = 100
    fmap_base: int = 2048
    fmap_max: int = 1024
    learning_rate: float = 0.0002
    beta_1: float = 0.5
    beta_2: float = 0.999
    ema_half_life_images: int = 0

    def __post_init__(self) -> None:
        _check_resolution(self, "resolution", least=_MIN_DCGAN_RESOLUTION)
        require_at_least(self, 1, "num_images")
        require_between(self, 1, _MAX_BATCH, "batch_size")
        require_between(self, 1, _MAX_FMAP_BASE, "fmap_base")
        require_between(self, 1, _MAX_WIDTH, "latent_dim", "fmap_max")
        _check_optimizer(self)


def _check_optimizer(section: OptimizerConfig | DCGANConfig) -> None:
    for key in ("learning_rate", "discriminator_learning_rate"):
        rate = getattr(section, key, None)  # dcgan has one rate
        if isinstance(rate, dict):
            _check_resolutions(key, rate)
        for value in rate.values() if isinstance(rate, dict) else [rate]:
            require(value is None or value > 0, key, "must be positive", value)
    for key in ("beta_1", "beta_2"):
        value = getattr(section, key)
        require(0 <= value < 1, key, "must be from 0 to below 1", value)
    require_at_least(section, 0, "ema_half_life_images")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Seed and bookkeeping of a run.

    Attributes:
        seed: Of weights, latents, order of patches and augmentation.
        tick_images: Real images between two lines of metrics.
        checkpoint_images: Real images between two checkpoints, each with a sheet of
            samples.
        keep_checkpoints: How many of the newest checkpoints stay.
        sheet_columns: Columns, and rows, of a sheet of samples.
        health_patches: Real patches and samples that are looked at per tick; 0: none.
        max_skipped_steps: Steps in a row without a finite loss and gradient after which
            a run ends.
        distribution: Which devices train (docs/training.md has the table).
        deterministic: Whether two runs give the same bits; false is meant to be faster
            on a GPU.
    """

    seed: int = 0
    tick_images: int = 20_000
    checkpoint_images: int = 100_000
    keep_checkpoints: int = 2
    sheet_columns: int = 8
    health_patches: int = 128
    max_skipped_steps: int = 10
    distribution: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"
    deterministic: bool = True

    def __post_init__(self) -> None:
        require_at_least(self, 0, "seed", "max_skipped_steps")
        require(
            self.health_patches == 0
            or _MIN_HEALTH_PATCHES <= self.health_patches <= _MAX_BATCH,
            "health_patches",
            f"must be 0 or from {_MIN_HEALTH_PATCHES} to {_MAX_BATCH}",
            self.health_patches,
        )
        require_between(self, 1, _MAX_SHEET_COLUMNS, "sheet_columns")
        require_at_least(
            self,
            1,
            "tick_images",
            "checkpoint_images",
            "keep_checkpoints",
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
        final = self.schedule.final_resolution
        self._fill_in("objective", lc_resolution=final)
        self._fill_in("dcgan", resolution=max(final, _MIN_DCGAN_RESOLUTION))
        least = final // 2  # see `num_filters`
        require(
            self.networks.fmap_base >= least,
            "networks.fmap_base",
            f"must be at least {least}, to leave {final} pixels a feature map",
            self.networks.fmap_base,
        )
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
            require(
                not 0 < self.training.health_patches < size,
                "training.health_patches",
                f"must be 0 or at least `schedule.batch_size` ({size} at {resolution} "
                "pixels)",
                self.training.health_patches,
            )
            for key in ("learning_rate", "discriminator_learning_rate"):
                rate = getattr(self.optimizer, key)
                require(
                    not isinstance(rate, dict) or resolution in rate,
                    f"optimizer.{key}",
                    f"must name every resolution it applies to; missing: {resolution}",
                    rate,
                )

    def _fill_in(self, section: str, **default: int) -> None:
        (key,) = default
        given = getattr(self, section)
        if getattr(given, key) is None:
            object.__setattr__(self, section, dataclasses.replace(given, **default))
