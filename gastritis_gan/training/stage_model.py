"""Builds the model of a stage from the state of the run, and takes the state back."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from gastritis_gan.config import ExperimentConfig
from gastritis_gan.ema import ema_decay
from gastritis_gan.layers.backend import trains_on_cpu
from gastritis_gan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from gastritis_gan.models.network import (
    Network,
    get_weights_by_name,
    set_weights_by_name,
)
from gastritis_gan.models.pggan import ProgressiveDiscriminator, ProgressiveGenerator
from gastritis_gan.names import ModelName
from gastritis_gan.training.augmentation import Augmentation
from gastritis_gan.training.objective import Objective, default_r1_weight
from gastritis_gan.training.plan import is_conditional, num_parts, steps_per_call
from gastritis_gan.training.progressive_gan import ProgressiveGAN
from gastritis_gan.training.replicated_adam import ReplicatedAdam
from gastritis_gan.training.schedule import Stage, at_resolution
from gastritis_gan.training.state import NETWORKS, OPTIMIZERS, Arrays, TrainingState
from gastritis_gan.training.step_options import StepOptions

_NOT_STATE = "learning_rate"  # comes from the config

# Stages whose whole step XLA compiles: the images are so small that the operations'
# own cost counts, the steps so many that they repay the compilation.
_LARGEST_COMPILED = 8
_FEWEST_COMPILED_STEPS = 3000


def build_stage_model(
    config: ExperimentConfig,
    stage: Stage,
    state: TrainingState | None,
    *,
    model: ModelName,
) -> ProgressiveGAN:
    """Returns the compiled model of `stage`, continuing from `state`.

    Weights go over by name: layers that are new keep their seeded initial values,
    layers that have faded out are left behind. At a new resolution both optimizers
    start afresh (as in the original), or keep what they know of the layers that stay
    (`optimizer.at_growth`); within one they go on.

    Args:
        config: The experiment.
        stage: The stage to train.
        state: Where the run stands; None at its start.
        model: Which networks and objective.
    """
    gan = ProgressiveGAN(
        build_generator(
            config,
            stage.resolution,
            model=model,
            transition=stage.transition,
            precision=config.networks.precision,
        ),
        _build_discriminator(config, stage, model),
        build_generator(
            config, stage.resolution, model=model, transition=stage.transition
        ),
        stage=stage,
        objective=_objective(config, stage, model),
        options=_step_options(config, stage, model),
    )
    g_optimizer, d_optimizer = _optimizers(config, stage, model)
    gan.compile(
        d_optimizer,
        g_optimizer,
        steps_per_execution=_steps_per_execution(config, stage, state, model),
    )
    if state is not None:
        _restore(gan, state, keep_slots=config.optimizer.at_growth == "keep")
    return gan


def restore_metrics(model: ProgressiveGAN, state: TrainingState) -> None:
    """Goes on with the running means; for after `fit()` has reset them."""
    for variable in model.running_means.variables:
        variable.assign(state.metrics[variable.name])


def capture_state(model: ProgressiveGAN, step: int) -> TrainingState:
    """Returns copies of all that `build_stage_model` needs to go on after `step`."""
    return TrainingState(
        step=step,
        resolution=model.stage.resolution,
        weights={name: get_weights_by_name(getattr(model, name)) for name in NETWORKS},
        slots={name: _get_slots(getattr(model, name)) for name in OPTIMIZERS},
        metrics={
            variable.name: variable.numpy()
            for variable in (*model.running_means.variables, *model.counters)
        },
    )


def build_generator(
    config: ExperimentConfig,
    resolution: int,
    *,
    model: ModelName,
    transition: bool = False,
    precision: str = "float32",
) -> Network:
    """Returns a built generator with its seeded initial weights.

    It has the attribute `latent_dim`. Samples are made in float32 whatever the
    precision of training, so that is the default.
    """
    common: dict[str, Any] = {
        "seed": config.training.seed,
        "dtype": precision,
        "name": "generator",  # a fixed name: it is part of the names of Adam's slots
    }
    if model == "dcgan":
        return DCGANGenerator(
            resolution,
            latent_dim=config.dcgan.latent_dim,
            fmap_base=config.dcgan.fmap_base,
            fmap_max=config.dcgan.fmap_max,
            **common,
        )
    networks = config.networks
    return ProgressiveGenerator(
        resolution,
        latent_dim=networks.latent_dim,
        fmap_base=networks.fmap_base,
        fmap_max=networks.fmap_max,
        transition=transition,
        **common,
    )


def _build_discriminator(
    config: ExperimentConfig, stage: Stage, model: ModelName
) -> Network:
    common: dict[str, Any] = {
        "seed": config.training.seed,
        "dtype": config.networks.precision,
        "name": "discriminator",
    }
    if model == "dcgan":
        return DCGANDiscriminator(
            stage.resolution,
            fmap_base=config.dcgan.fmap_base,
            fmap_max=config.dcgan.fmap_max,
            **common,
        )
    networks = config.networks
    return ProgressiveDiscriminator(
        stage.resolution,
        fmap_base=networks.fmap_base,
        fmap_max=networks.fmap_max,
        mbstd_group_size=networks.mbstd_group_size,
        fused_scale=networks.fused_scale,
        transition=stage.transition,
        **common,
    )


def _objective(config: ExperimentConfig, stage: Stage, model: ModelName) -> Objective:
    settings = config.objective
    if model == "dcgan":  # the game of Goodfellow et al. 2014, and nothing else
        return Objective(
            adversarial_loss="logistic",
            generator_loss="non_saturating",
            lc_weight=0.0,
            r1_weight=0.0,
            r1_interval_steps=1,
            gradient_penalty_weight=0.0,
            drift_penalty_weight=0.0,
        )
    r1_weight = settings.r1_weight
    if r1_weight == "auto":
        r1_weight = default_r1_weight(stage.resolution, stage.batch_size)
    conditional = is_conditional(config, model, stage)
    return Objective(
        adversarial_loss=settings.adversarial_loss,
        generator_loss=settings.generator_loss,
        lc_weight=settings.lc_weight if conditional else 0.0,
        r1_weight=r1_weight,
        r1_interval_steps=settings.r1_interval_steps,
        gradient_penalty_weight=settings.gradient_penalty_weight,
        drift_penalty_weight=settings.drift_penalty_weight,
    )


def _step_options(
    config: ExperimentConfig, stage: Stage, model: ModelName
) -> StepOptions:
    half_life_images = (
        config.dcgan if model == "dcgan" else config.optimizer
    ).ema_half_life_images
    augmentation = config.augmentation
    return StepOptions(
        seed=config.training.seed,
        ema_decay=ema_decay(half_life_images, stage.batch_size),
        num_micro_batches=num_parts(config, model, stage),
        flips=augmentation.flips,
        augmentation=Augmentation(augmentation.probability, augmentation.transforms),
        scales_loss=config.networks.precision == "mixed_float16",
        max_skipped_steps=config.training.max_skipped_steps,
        compiled=_compiled(config, model, stage),
    )


def _compiled(
    config: ExperimentConfig, model: ModelName, stage: Stage
) -> Literal["nothing", "gradients", "step"]:
    """Returns what XLA compiles: what the config says, or else what is faster."""
    if config.networks.jit_compile:
        return "gradients"
    is_faster = (
        stage.resolution <= _LARGEST_COMPILED
        and stage.num_steps >= _FEWEST_COMPILED_STEPS
        and trains_on_cpu(config.networks.precision)
        and model == "pggan"
        and config.objective.adversarial_loss == "wgan_gp"  # XLA is slow at R1
    )
    is_possible = (
        not tf.distribute.has_strategy()
        and num_parts(config, model, stage) == 1
        and not config.augmentation.probability
    )
    return "step" if is_faster and is_possible else "nothing"


def _steps_per_execution(
    config: ExperimentConfig,
    stage: Stage,
    state: TrainingState | None,
    model: ModelName,
) -> int:
    if tf.distribute.has_strategy():
        return 1  # replicas cannot add up within a loop of TensorFlow's
    first_step = stage.first_step if state is None else state.step
    return steps_per_call(config, model, stage, first_step)


def _optimizers(
    config: ExperimentConfig, stage: Stage, model: ModelName
) -> tuple[ReplicatedAdam, ReplicatedAdam]:
    """Returns the optimizers of the generator and of the discriminator."""
    settings = config.optimizer
    if model == "dcgan":
        beta_1, beta_2 = config.dcgan.beta_1, config.dcgan.beta_2
        g_rate = d_rate = config.dcgan.learning_rate
    else:
        beta_1, beta_2 = settings.beta_1, settings.beta_2
        g_rate = at_resolution(settings.learning_rate, stage.resolution)
        d_rate = g_rate
        if settings.discriminator_learning_rate is not None:
            d_rate = at_resolution(
                settings.discriminator_learning_rate, stage.resolution
            )
    g_optimizer, d_optimizer = (
        ReplicatedAdam(
            learning_rate=rate, beta_1=beta_1, beta_2=beta_2, epsilon=settings.epsilon
        )
        for rate in (g_rate, d_rate)
    )
    return g_optimizer, d_optimizer


def _restore(model: ProgressiveGAN, state: TrainingState, *, keep_slots: bool) -> None:
    for network in NETWORKS:
        set_weights_by_name(
            getattr(model, network), state.weights[network], partial=True
        )
    if keep_slots or state.resolution == model.stage.resolution:
        for name in OPTIMIZERS:
            _set_slots(getattr(model, name), state.slots[name])
    model.step.assign(state.step)
    for variable in model.counters:
        variable.assign(state.metrics[variable.name])


def _get_slots(optimizer: keras.optimizers.Optimizer) -> Arrays:
    return {
        _slot_name(variable): np.asarray(variable)
        for variable in optimizer.variables
        if variable.name != _NOT_STATE
    }


def _set_slots(optimizer: keras.optimizers.Optimizer, slots: Arrays) -> None:
    for variable in optimizer.variables:
        name = _slot_name(variable)
        if variable.name != _NOT_STATE and name in slots:  # a new layer has none yet
            variable.assign(slots[name])


def _slot_name(variable: keras.Variable) -> str:
    path: str = variable.path
    return path.partition("/")[2]  # without the optimizer's own, numbered name
