"""Recipes: what pggan, lc_pggan and dcgan are, as plain specifications of their stages.

A recipe is made once from the training sections of an experiment. What a stage needs
as it is written there (networks, objective, augmentation) it carries as that section;
what depends on resolution or model is resolved. What trains asks for no model's name.
TensorFlow is loaded when a network is asked for, not before.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gastritis_gan.errors import InputError
from gastritis_gan.models.network_size import discriminator_flops, generator_flops
from gastritis_gan.training.precision import fastest_precision
from gastritis_gan.training.schedule import Schedule, Stage, at_resolution
from gastritis_gan.training.training_settings import (
    AugmentationConfig,
    DCGANConfig,
    ModelName,
    NetworksConfig,
    ObjectiveConfig,
    Precision,
    TrainingSections,
)
from gastritis_gan.typed_config import require

if TYPE_CHECKING:
    from gastritis_gan.models.network import Network

Compiled = Literal["nothing", "gradients", "step"]
Networks: TypeAlias = NetworksConfig | DCGANConfig

_MOST_STEPS_PER_CALL = 25
_MOST_OPERATIONS_PER_CALL = 5 * 10**9  # of forward passes; some half a second
_R1_WEIGHT_PER_PIXEL = 0.0002  # heuristic of stylegan2-ada: times resolution^2 / batch

# Stages whose whole step XLA compiles: the images are so small that the operations'
# own cost counts, the steps so many that they repay the compilation.
_LARGEST_COMPILED = 8
_FEWEST_COMPILED_STEPS = 3000


@dataclasses.dataclass(frozen=True)
class AdamSpec:
    """Arguments of Adam (Kingma and Ba 2015)."""

    learning_rate: float
    beta_1: float
    beta_2: float
    epsilon: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RateSchedule:
    """Shares of the learning rates that the steps of a stage take.

    Attributes:
        first_step: Step at which the stage's resolution begins.
        warmup_steps: The share rises linearly to 1 over so many steps from there.
        end_step: Number of steps of the whole run.
        decay_steps: It falls linearly to 0 over so many steps until there.
    """

    first_step: int = 0
    warmup_steps: int = 0
    end_step: int = 0
    decay_steps: int = 0

    def share_at(self, step: Any) -> Any:
        """Returns the share at a step of the run: a number or a tensor, in (0, 1]."""
        from tensorflow import cast, float32, minimum

        share = 1.0
        if self.warmup_steps:
            share = cast(step - self.first_step + 1, float32) / self.warmup_steps
        if self.decay_steps:
            left = cast(self.end_step - step, float32) / self.decay_steps
            share = minimum(share, left)
        return minimum(share, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StageSpec:
    """All that decides how one stage trains.

    Attributes:
        stage: Resolution, phase, batch and length.
        seed: Of initial weights, latents, patches and whatever else is drawn.
        networks: Size of generator and discriminator; those of dcgan do not grow.
        precision: What the networks compute in while they train.
        objective: The losses.
        r1_weight: Weight gamma of R1 (Mescheder et al. 2018); 0 leaves it out.
        is_conditional: Whether patches of the other class and from outside the organ
            are judged as fake (Eq. 5).
        g_adam: Optimizer of the generator.
        d_adam: Optimizer of the discriminator.
        rates: Warm-up and decay of both learning rates.
        keeps_slots: Whether the optimizers keep their state at a new resolution.
        ema_decay: Share of the generator's moving average that a step keeps.
        num_micro_batches: Parts that a replica's batch is computed in, one after the
            other; gradients are their mean.
        augmentation: Of the images that the discriminator sees.
        max_skipped_steps: More steps in a row that are not finite are too many.
        compiled: What XLA compiles: nothing, the computation of gradients, or the whole
            step where the machine is faster so.
        most_steps_per_call: Steps that may be done in one call of the graph.
        tick_steps: Metrics are logged every so many steps.
        checkpoint_steps: Checkpoints are written every so many steps.
    """

    stage: Stage
    seed: int
    networks: Networks
    precision: Precision
    objective: ObjectiveConfig
    r1_weight: float = 0.0
    is_conditional: bool = False
    g_adam: AdamSpec
    d_adam: AdamSpec
    rates: RateSchedule = RateSchedule()
    keeps_slots: bool = False
    ema_decay: float
    num_micro_batches: int = 1
    augmentation: AugmentationConfig
    max_skipped_steps: int
    compiled: Compiled
    most_steps_per_call: int = 1
    tick_steps: int
    checkpoint_steps: int

    def generator(self, precision: Precision = "float32") -> Network:
        """Returns a built generator with its seeded initial weights.

        Samples are made in float32 whatever the precision of training, so that is the
        default.
        """
        arguments = {
            "latent_dim": self.networks.latent_dim,
            # A fixed name: it is part of the names of Adam's slots.
            **self._arguments("generator", precision),
        }
        if isinstance(self.networks, DCGANConfig):
            from gastritis_gan.models.dcgan import DCGANGenerator

            return DCGANGenerator(**arguments)
        from gastritis_gan.models.pggan import ProgressiveGenerator

        return ProgressiveGenerator(transition=self.stage.transition, **arguments)

    def discriminator(self) -> Network:
        """Returns a built discriminator with its seeded initial weights."""
        arguments = self._arguments("discriminator", self.precision)
        if isinstance(self.networks, DCGANConfig):
            from gastritis_gan.models.dcgan import DCGANDiscriminator

            return DCGANDiscriminator(**arguments)
        from gastritis_gan.models.pggan import ProgressiveDiscriminator

        return ProgressiveDiscriminator(
            transition=self.stage.transition,
            mbstd_group_size=self.networks.mbstd_group_size,
            fused_scale=self.networks.fused_scale,
            **arguments,
        )

    def _arguments(self, name: str, dtype: Precision) -> dict[str, Any]:
        return {
            "resolution": self.stage.resolution,
            "fmap_base": self.networks.fmap_base,
            "fmap_max": self.networks.fmap_max,
            "seed": self.seed,
            "dtype": dtype,
            "name": name,
        }

    @property
    def group_size(self) -> int:
        """How many images the discriminator compares with each other."""
        if isinstance(self.networks, DCGANConfig):
            return 1
        return self.networks.mbstd_group_size

    def steps_per_call(self, first_step: int) -> int:
        """Returns how many steps are done in one call of the graph.

        Python takes some three milliseconds between two calls, much beside a step of
        small networks.
        All that comes at fixed steps comes between two calls, so these divide the
        intervals. A signal waits for the end of a call, so large networks do one step.

        Args:
            first_step: Step of the run that the first call begins with.
        """
        intervals = math.gcd(
            self.tick_steps, self.checkpoint_steps, first_step - self.stage.first_step
        )
        most = range(1, self.most_steps_per_call + 1)
        return max(n for n in most if intervals % n == 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model that can be trained: its stages in order.

    Attributes:
        model: What users call it.
        stages: One specification per stage.
        branches_from: The model whose run a run of this one may start from.
        branch_step: Step until which both are the same run; its checkpoint is kept.
    """

    model: ModelName
    stages: tuple[StageSpec, ...]
    branches_from: ModelName | None = None
    branch_step: int | None = None

    @property
    def schedule(self) -> Schedule:
        """When which stage trains."""
        return Schedule(tuple(spec.stage for spec in self.stages))

    @property
    def latent_dim(self) -> int:
        """Numbers in a latent vector."""
        return self.stages[0].networks.latent_dim

    @property
    def final_resolution(self) -> int:
        """In pixels."""
        return self.stages[-1].stage.resolution

    @property
    def is_conditional(self) -> bool:
        """Whether any stage needs patches of the other class and from outside."""
        return any(spec.is_conditional for spec in self.stages)

    def spec_at(self, step: int) -> StageSpec:
        """Returns the stage of a state; after a fade only the new block is left."""
        spec = next(s for s in self.stages if step <= s.stage.end_step)
        if step < spec.stage.end_step:
            return spec
        stage = dataclasses.replace(spec.stage, phase="stable")
        return dataclasses.replace(spec, stage=stage)

    @property
    def is_logistic(self) -> bool:
        """Whether scores are logits."""
        return self.stages[0].objective.adversarial_loss == "logistic"


def make_recipe(model: ModelName, sections: TrainingSections) -> Recipe:
    """Returns the recipe of a model.

    Args:
        model: `"pggan"` (Eq. 2), `"lc_pggan"` (Eq. 5 from `objective.lc_resolution` on)
            or `"dcgan"`, which does not grow.
        sections: Of the experiment.

    Raises:
        InputError: The objective cannot train this model.
    """
    return _dcgan(sections) if model == "dcgan" else _progressive(model, sections)


def ema_decay(half_life_images: float, batch_size: int) -> float:
    """Returns the share of an average that a step keeps: 0.5^(batch / half-life).

    Args:
        half_life_images: Images after which a weight counts half; 0: no averaging.
        batch_size: Images per step.
    """
    return 0.5 ** (batch_size / half_life_images) if half_life_images else 0.0


def forward_operations(networks: Networks, resolution: int) -> int:
    """Returns the operations of both networks for one image; for dcgan merely 1.

    Steps of dcgan all cost the same.
    """
    if isinstance(networks, DCGANConfig):
        return 1
    width = {"fmap_base": networks.fmap_base, "fmap_max": networks.fmap_max}
    return generator_flops(
        resolution, latent_dim=networks.latent_dim, **width
    ) + discriminator_flops(resolution, **width)


def default_r1_weight(resolution: int, batch_size: int) -> float:
    """Returns gamma = 0.0002 * resolution^2 / batch_size."""
    return _R1_WEIGHT_PER_PIXEL * resolution**2 / batch_size


def _progressive(model: ModelName, sections: TrainingSections) -> Recipe:
    settings, objective = sections.schedule, sections.objective
    is_lc = model == "lc_pggan"
    if is_lc and objective.adversarial_loss != "logistic":
        raise InputError(
            "`objective.adversarial_loss` must be logistic for lc_pggan: Eq. 5-7 are "
            "logarithms of probabilities. Set it, or train --model pggan."
        )
    lc_resolution = typing.cast(int, objective.lc_resolution)  # the sections fill it in
    if is_lc and lc_resolution > settings.final_resolution:
        raise InputError(
            f"`objective.lc_resolution` ({lc_resolution}) must not exceed "
            f"`schedule.final_resolution` ({settings.final_resolution}): "
            "lc_pggan would never become conditional. Lower it, or train --model pggan."
        )
    stages = Schedule.build(
        settings.resolutions,
        transition_images=settings.transition_images,
        stable_images=settings.stable_images,
        batch_size=settings.batch_size,
    ).stages
    shared = [s for s in stages if s.resolution < lc_resolution]
    return Recipe(
        model=model,
        stages=tuple(
            _progressive_stage(
                sections, s, stages, is_conditional=is_lc and s not in shared
            )
            for s in stages
        ),
        branches_from="pggan" if is_lc else None,
        branch_step=sum(stage.num_steps for stage in shared),
    )


def _dcgan(sections: TrainingSections) -> Recipe:
    settings = sections.dcgan
    resolution = typing.cast(int, settings.resolution)  # the sections fill it in
    _check_dcgan(sections, resolution)
    schedule = Schedule.build(
        (resolution,),
        transition_images=0,
        stable_images=settings.num_images,
        batch_size=settings.batch_size,
    )
    (stage,) = schedule.stages
    adam = AdamSpec(
        settings.learning_rate,
        settings.beta_1,
        settings.beta_2,
        sections.optimizer.epsilon,
    )
    spec = StageSpec(
        networks=settings,
        objective=ObjectiveConfig(),  # of Goodfellow et al. 2014, and nothing else
        g_adam=adam,
        d_adam=adam,
        ema_decay=ema_decay(settings.ema_half_life_images, settings.batch_size),
        compiled="gradients" if sections.networks.jit_compile else "nothing",
        **_common(sections, stage),
    )
    return Recipe(model="dcgan", stages=(spec,))


def _check_dcgan(sections: TrainingSections, resolution: int) -> None:
    """Refuses what is wrong for this model alone."""
    settings = sections.dcgan
    least = resolution // 4  # the narrowest layer makes half as many pixels
    require(
        settings.fmap_base >= least,
        "dcgan.fmap_base",
        f"must be at least {least}, to leave {resolution} pixels a feature map",
        settings.fmap_base,
    )
    require(
        not 0 < sections.training.health_patches < settings.batch_size,
        "training.health_patches",
        f"must be 0 or at least `dcgan.batch_size` ({settings.batch_size})",
        sections.training.health_patches,
    )


def _progressive_stage(
    sections: TrainingSections,
    stage: Stage,
    stages: Sequence[Stage],
    *,
    is_conditional: bool,
) -> StageSpec:
    optimizer = sections.optimizer
    g_rate = d_rate = at_resolution(optimizer.learning_rate, stage.resolution)
    if optimizer.discriminator_learning_rate is not None:
        d_rate = at_resolution(optimizer.discriminator_learning_rate, stage.resolution)
    adam = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    operations = stage.batch_size * forward_operations(
        sections.networks, stage.resolution
    )
    most_steps = min(_MOST_STEPS_PER_CALL, _MOST_OPERATIONS_PER_CALL // operations)
    num_micro_batches = at_resolution(
        sections.schedule.accumulation_steps, stage.resolution
    )
    r1_weight = sections.objective.r1_weight
    if r1_weight == "auto":
        r1_weight = default_r1_weight(stage.resolution, stage.batch_size)
    return StageSpec(
        networks=sections.networks,
        objective=sections.objective,
        r1_weight=r1_weight,
        is_conditional=is_conditional,
        g_adam=AdamSpec(g_rate, *adam),
        d_adam=AdamSpec(d_rate, *adam),
        rates=RateSchedule(
            first_step=min(
                s.first_step for s in stages if s.resolution == stage.resolution
            ),
            warmup_steps=round(optimizer.warmup_images / stage.batch_size),
            end_step=stages[-1].end_step,
            decay_steps=round(optimizer.decay_images / stages[-1].batch_size),
        ),
        keeps_slots=optimizer.at_growth == "keep",
        ema_decay=ema_decay(optimizer.ema_half_life_images, stage.batch_size),
        num_micro_batches=num_micro_batches,
        compiled=_compiled(sections, stage, num_micro_batches),
        most_steps_per_call=max(most_steps, 1),
        **_common(sections, stage),
    )


def _compiled(
    sections: TrainingSections, stage: Stage, num_micro_batches: int
) -> Compiled:
    """Returns what XLA compiles: what the user asks for, or else what is faster."""
    if sections.networks.jit_compile:
        return "gradients"
    is_faster = (
        stage.resolution <= _LARGEST_COMPILED
        and stage.num_steps >= _FEWEST_COMPILED_STEPS
        and sections.objective.adversarial_loss == "wgan_gp"  # XLA is slow at R1
    )
    is_possible = num_micro_batches == 1 and not sections.augmentation.probability
    return "step" if is_faster and is_possible else "nothing"


def _common(sections: TrainingSections, stage: Stage) -> dict[str, Any]:
    """Returns what every model takes from the same keys."""
    training, precision = sections.training, sections.networks.precision
    return {
        "stage": stage,
        "seed": training.seed,
        "precision": fastest_precision() if precision == "auto" else precision,
        "augmentation": sections.augmentation,
        "max_skipped_steps": training.max_skipped_steps,
        "tick_steps": stage.steps_of(training.tick_images),
        "checkpoint_steps": stage.steps_of(training.checkpoint_images),
    }
