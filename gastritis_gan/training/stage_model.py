"""Builds the model of a stage from the state of the run, and takes the state back."""

from __future__ import annotations

import keras
import numpy as np

from gastritis_gan.config import ExperimentConfig
from gastritis_gan.models.progressive_discriminator import ProgressiveDiscriminator
from gastritis_gan.models.progressive_generator import ProgressiveGenerator
from gastritis_gan.models.weights import get_weights_by_name, set_weights_by_name
from gastritis_gan.training.objective import Objective, default_r1_weight
from gastritis_gan.training.progressive_gan import ProgressiveGAN
from gastritis_gan.training.schedule import Stage
from gastritis_gan.training.state import NETWORKS, OPTIMIZERS, Arrays, TrainingState

_ITERATIONS = "iterations"
_NOT_STATE = "learning_rate"  # comes from the config


def build_stage_model(
    config: ExperimentConfig,
    stage: Stage,
    state: TrainingState | None,
    *,
    conditional: bool,
) -> ProgressiveGAN:
    """Returns the compiled model of `stage`, continuing from `state`.

    Weights go over by name: layers that are new keep their seeded initial values,
    layers that have faded out are left behind. Both optimizers start afresh at a new
    resolution (as in the original) and go on within one.

    Args:
        config: The experiment.
        stage: The stage to train.
        state: Where the run stands; None at its start.
        conditional: Whether the loss-conditional terms apply (Eq. 5).
    """
    model = ProgressiveGAN(
        build_generator(config, stage.resolution, transition=stage.transition),
        _build_discriminator(config, stage),
        build_generator(config, stage.resolution, transition=stage.transition),
        stage=stage,
        objective=_objective(config, stage, conditional=conditional),
        seed=config.training.seed,
        ema_decay=config.optimizer.ema_decay,
    )
    d_optimizer, g_optimizer = _adam(config), _adam(config)
    model.compile(d_optimizer, g_optimizer, first_step=stage.first_step)
    if state is not None:
        for network in NETWORKS:
            set_weights_by_name(
                getattr(model, network), state.weights[network], partial=True
            )
        if state.resolution == stage.resolution:
            for name in OPTIMIZERS:
                _set_slots(getattr(model, name), state.slots[name])
        model.first_step = state.step - int(d_optimizer.iterations)
    return model


def capture_state(model: ProgressiveGAN, step: int) -> TrainingState:
    """Returns copies of all that `build_stage_model` needs to go on after `step`."""
    return TrainingState(
        step=step,
        resolution=model.stage.resolution,
        weights={name: get_weights_by_name(getattr(model, name)) for name in NETWORKS},
        slots={name: _get_slots(getattr(model, name)) for name in OPTIMIZERS},
    )


def build_generator(
    config: ExperimentConfig, resolution: int, *, transition: bool = False
) -> ProgressiveGenerator:
    """Returns a built generator with its seeded initial weights."""
    networks = config.networks
    return ProgressiveGenerator(
        resolution,
        latent_dim=networks.latent_dim,
        fmap_base=networks.fmap_base,
        fmap_max=networks.fmap_max,
        fused_scale=networks.fused_scale,
        transition=transition,
        seed=config.training.seed,
        name="generator",  # a fixed name: it is part of the names of Adam's slots
    )


def _build_discriminator(
    config: ExperimentConfig, stage: Stage
) -> ProgressiveDiscriminator:
    networks = config.networks
    return ProgressiveDiscriminator(
        stage.resolution,
        fmap_base=networks.fmap_base,
        fmap_max=networks.fmap_max,
        mbstd_group_size=networks.mbstd_group_size,
        fused_scale=networks.fused_scale,
        transition=stage.transition,
        seed=config.training.seed,
        name="discriminator",
    )


def _objective(
    config: ExperimentConfig, stage: Stage, *, conditional: bool
) -> Objective:
    settings = config.objective
    r1_weight = settings.r1_weight
    if r1_weight == "auto":
        r1_weight = default_r1_weight(stage.resolution, stage.batch_size)
    return Objective(
        adversarial_loss=settings.adversarial_loss,
        generator_loss=settings.generator_loss,
        lc_weight=settings.lc_weight if conditional else 0.0,
        r1_weight=r1_weight,
        r1_interval_steps=settings.r1_interval_steps,
        gradient_penalty_weight=settings.gradient_penalty_weight,
        drift_penalty_weight=settings.drift_penalty_weight,
    )


def _adam(config: ExperimentConfig) -> keras.optimizers.Adam:
    settings = config.optimizer
    return keras.optimizers.Adam(
        learning_rate=settings.learning_rate,
        beta_1=settings.beta_1,
        beta_2=settings.beta_2,
        epsilon=settings.epsilon,
    )


def _get_slots(optimizer: keras.optimizers.Optimizer) -> Arrays:
    return {
        _slot_name(variable): np.asarray(variable)
        for variable in optimizer.variables
        if variable.name != _NOT_STATE
    }


def _set_slots(optimizer: keras.optimizers.Optimizer, slots: Arrays) -> None:
    for variable in optimizer.variables:
        if variable.name != _NOT_STATE:
            variable.assign(slots[_slot_name(variable)])


def _slot_name(variable: keras.Variable) -> str:
    path: str = variable.path
    return path.partition("/")[2]  # without the optimizer's own, numbered name
