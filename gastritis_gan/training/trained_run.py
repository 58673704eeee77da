"""What leaves a finished run: its averaged generator and facts about it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from gastritis_gan.config import config_to_dict, load_config
from gastritis_gan.errors import InputError
from gastritis_gan.models.network import (
    Network,
    get_weights_by_name,
    set_weights_by_name,
)
from gastritis_gan.training.checkpoint import load_latest_checkpoint
from gastritis_gan.training.plan import schedule_of
from gastritis_gan.training.run_folder import RunFolder
from gastritis_gan.training.stage_model import build_generator


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What leaves a run.

    Attributes:
        generator: The moving-average generator, without a fade.
        facts: Model, target, class name, split hash, resolution, latent size, images
            seen, seed and config; JSON-able and free of identifiers.
    """

    generator: Network
    facts: dict[str, Any]


def load_run(run_dir: Path) -> TrainedRun:
    """Reads the moving-average generator of a run from its newest checkpoint.

    Raises:
        InputError: The folder is no run, has no checkpoint, or is not finished.
    """
    folder = RunFolder(run_dir)
    facts = folder.facts()
    config = load_config(folder.config)
    schedule = schedule_of(config, facts["model"])
    state = load_latest_checkpoint(folder.checkpoints)
    if state.step < schedule.num_steps:
        raise InputError(
            f"{run_dir} has done {state.step} of {schedule.num_steps} steps; its last "
            f"checkpoint makes images of {state.resolution} pixels. Go on with "
            "`gastritis-gan fit --resume` until the end."
        )
    generator = build_generator(config, state.resolution, model=facts["model"])
    weights = state.weights["generator_ema"]
    own = get_weights_by_name(generator)  # not the layer that has faded out
    set_weights_by_name(generator, {name: weights[name] for name in own})
    return TrainedRun(
        generator,
        {
            **facts,
            "resolution": state.resolution,
            "latent_dim": generator.latent_dim,
            "num_images": schedule.images_before(state.step),
            "seed": config.training.seed,
            "config": config_to_dict(config),
        },
    )
