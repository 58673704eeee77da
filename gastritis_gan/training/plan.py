"""What a config lays out for a model: its schedule, checked. Pure Python."""

from __future__ import annotations

import math

from gastritis_gan.config import ExperimentConfig
from gastritis_gan.errors import InputError
from gastritis_gan.models.network_size import discriminator_flops, generator_flops
from gastritis_gan.names import ModelName
from gastritis_gan.training.schedule import Schedule, Stage, at_resolution

_MOST_STEPS_PER_CALL = 25
_MOST_OPERATIONS_PER_CALL = 5 * 10**9  # of forward passes; some half a second


def schedule_of(config: ExperimentConfig, model: ModelName) -> Schedule:
    """Returns the stages of one model.

    Raises:
        InputError: The objective cannot train this model, or its patches are too small.
    """
    if model == "dcgan":
        return _dcgan_schedule(config)
    if model == "lc_pggan":
        _check_objective(config)
    settings = config.schedule
    return Schedule.build(
        settings.resolutions,
        transition_images=settings.transition_images,
        stable_images=settings.stable_images,
        batch_size=settings.batch_size,
    )


def _dcgan_schedule(config: ExperimentConfig) -> Schedule:
    settings = config.dcgan
    if settings.resolution > config.patches.patch_size:
        raise InputError(
            f"`dcgan.resolution` ({settings.resolution}) must not exceed "
            f"`patches.patch_size` ({config.patches.patch_size}). Lower it."
        )
    return Schedule.build(
        (settings.resolution,),
        transition_images=0,
        stable_images=settings.num_images,
        batch_size=settings.batch_size,
    )


def num_parts(config: ExperimentConfig, model: ModelName, stage: Stage) -> int:
    """Returns in how many parts a device computes its share of a batch."""
    if model == "dcgan":
        return 1  # batch normalization needs the whole share
    return at_resolution(config.schedule.accumulation_steps, stage.resolution)


def group_size(config: ExperimentConfig, model: ModelName) -> int:
    """Returns of how many images a discriminator compares at once."""
    return 1 if model == "dcgan" else config.networks.mbstd_group_size


def is_conditional(config: ExperimentConfig, model: ModelName, stage: Stage) -> bool:
    """Whether the loss-conditional terms apply in a stage (Eq. 5)."""
    return model == "lc_pggan" and stage.resolution >= config.objective.lc_resolution


def branch_step(config: ExperimentConfig, schedule: Schedule) -> int:
    """Returns the step until which LC-PGGAN and PGGAN are the same run."""
    return sum(
        stage.num_steps
        for stage in schedule.stages
        if stage.resolution < config.objective.lc_resolution
    )


def forward_operations(config: ExperimentConfig, resolution: int) -> int:
    """Returns the operations of both progressive networks for one image."""
    networks = config.networks
    width = {"fmap_base": networks.fmap_base, "fmap_max": networks.fmap_max}
    return generator_flops(
        resolution, latent_dim=networks.latent_dim, **width
    ) + discriminator_flops(resolution, **width)


def steps_per_call(
    config: ExperimentConfig, model: ModelName, stage: Stage, first_step: int
) -> int:
    """Returns how many steps are done before Python has its turn.

    Its turn takes some three milliseconds, much beside a step of small networks. All
    that comes at fixed steps comes between two calls, so these divide the intervals. A
    signal waits for the end of a call, so large networks do one step.

    Args:
        config: The experiment.
        model: What is trained.
        stage: The stage.
        first_step: Step of the run that the first call begins with.
    """
    if model == "dcgan":
        return 1
    operations = stage.batch_size * forward_operations(config, stage.resolution)
    most = min(_MOST_STEPS_PER_CALL, _MOST_OPERATIONS_PER_CALL // operations)
    intervals = math.gcd(
        stage.steps_of(config.training.tick_images),
        stage.steps_of(config.training.checkpoint_images),
        first_step - stage.first_step,
    )
    return max(n for n in range(1, max(most, 1) + 1) if intervals % n == 0)


def _check_objective(config: ExperimentConfig) -> None:
    if config.objective.adversarial_loss != "logistic":
        raise InputError(
            "`objective.adversarial_loss` must be logistic for lc_pggan: Eq. 5-7 are "
            "logarithms of probabilities. Set it, or train --model pggan."
        )
    if config.objective.lc_resolution > config.schedule.final_resolution:
        raise InputError(
            f"`objective.lc_resolution` ({config.objective.lc_resolution}) must not "
            f"exceed `schedule.final_resolution` ({config.schedule.final_resolution}): "
            "lc_pggan would never become conditional. Lower it, or train --model pggan."
        )
