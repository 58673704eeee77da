"""A run from its config to its last checkpoint: the composition root of training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gastritis_gan.config import (
    ExperimentConfig,
    ModelName,
    Target,
    config_to_dict,
    dump_config,
    load_config,
)
from gastritis_gan.data.dataset import make_dataset
from gastritis_gan.data.store import Store
from gastritis_gan.errors import InputError
from gastritis_gan.models.flops import discriminator_flops, generator_flops
from gastritis_gan.models.progressive_generator import ProgressiveGenerator
from gastritis_gan.models.weights import get_weights_by_name, set_weights_by_name
from gastritis_gan.progress import progress_bar
from gastritis_gan.serving.signatures import to_uint8
from gastritis_gan.sheets import image_sheet
from gastritis_gan.training.checkpoint import load_latest_checkpoint, save_checkpoint
from gastritis_gan.training.every import Every
from gastritis_gan.training.metrics_log import MetricsLog
from gastritis_gan.training.progressive_gan import ProgressiveGAN
from gastritis_gan.training.run_folder import RunFolder
from gastritis_gan.training.schedule import Schedule, Stage
from gastritis_gan.training.stage_model import (
    build_generator,
    build_stage_model,
    capture_state,
)
from gastritis_gan.training.stage_progress import StageProgress
from gastritis_gan.training.state import TrainingState

_SHEET_STREAM = 1 << 40  # apart from every training step


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What leaves a run.

    Attributes:
        generator: The moving-average generator, without a fade.
        facts: Model, target, class name, split hash, resolution, latent size, images
            seen, seed and config; JSON-able and free of identifiers.
    """

    generator: ProgressiveGenerator
    facts: dict[str, Any]


def train(
    config: ExperimentConfig,
    store: Store,
    *,
    model: ModelName,
    target: Target,
    run_dir: Path,
    resume: bool = False,
) -> None:
    """Trains one generator and keeps everything about it in `run_dir`.

    Args:
        config: The experiment.
        store: Where the patches come from.
        model: `"pggan"` (Eq. 2) or `"lc_pggan"` (Eq. 5 from `objective.lc_resolution`
            on).
        target: The patch set to imitate.
        run_dir: A new folder, or with `resume` the folder of the same run.
        resume: Go on from the newest checkpoint.

    Raises:
        InputError: The parts do not belong together, a patch set is empty, or the
            folder exists (or, with `resume`, is another run).
    """
    _Run(config, store, model=model, target=target, folder=RunFolder(run_dir)).train(
        resume=resume
    )


def load_run(run_dir: Path) -> TrainedRun:
    """Reads the moving-average generator of a run from its newest checkpoint.

    Raises:
        InputError: The folder is no run, has no checkpoint, or is not finished.
    """
    folder = RunFolder(run_dir)
    facts = folder.facts()
    config = load_config(run_dir / "config.yaml")
    schedule = schedule_of(config)
    state = load_latest_checkpoint(folder.checkpoints)
    if state.step < schedule.num_steps:
        raise InputError(
            f"{run_dir} has done {state.step} of {schedule.num_steps} steps; its last "
            f"checkpoint makes images of {state.resolution} pixels. Go on with "
            "`gastritis-gan fit --resume` until the end."
        )
    generator = build_generator(config, state.resolution)
    weights = state.weights["generator_ema"]
    own = get_weights_by_name(generator)  # not the layer that has faded out
    set_weights_by_name(generator, {name: weights[name] for name in own})
    return TrainedRun(
        generator,
        {
            **facts,
            "resolution": state.resolution,
            "latent_dim": config.networks.latent_dim,
            "num_images": schedule.images_before(state.step),
            "seed": config.training.seed,
            "config": config_to_dict(config),
        },
    )


def schedule_of(config: ExperimentConfig) -> Schedule:
    """Returns the stages that a config's section `schedule` lays out."""
    settings = config.schedule
    return Schedule.build(
        settings.resolutions,
        transition_images=settings.transition_images,
        stable_images=settings.stable_images,
        batch_size=settings.batch_size,
    )


class _Run:
    def __init__(
        self,
        config: ExperimentConfig,
        store: Store,
        *,
        model: ModelName,
        target: Target,
        folder: RunFolder,
    ) -> None:
        _check_model(config, model)
        self._config = config
        self._store = store
        self._model = model
        self._folder = folder
        self._schedule = schedule_of(config)
        other = "negative" if target == "positive" else "positive"
        sets = (target, other, "outside") if model == "lc_pggan" else (target,)
        self._pools = [self._pool(name) for name in sets]
        self._facts = {
            "model": model,
            "target": target,
            "class_name": store.positive if target == "positive" else store.negative,
            "split_hash": store.split_hash,
        }

    def train(self, *, resume: bool) -> None:
        tf.config.experimental.enable_op_determinism()
        state = None
        if resume:
            state = self._resume()
        else:
            self._folder.create(self._facts, dump_config(self._config))
        done = 0 if state is None else self._schedule.images_before(state.step)
        total = self._schedule.images_before(self._schedule.num_steps)
        log = MetricsLog(self._folder, schedule=self._schedule)
        with progress_bar(
            total=total, initial=done, description="fit", unit="images"
        ) as bar:
            for stage in self._schedule.stages:
                if state is None or state.step < stage.end_step:
                    state = self._train_stage(stage, state, log=log, bar=bar)

    def _resume(self) -> TrainingState:
        facts = self._folder.facts()
        for key, value in self._facts.items():
            if facts.get(key) != value:
                raise InputError(
                    f"{self._folder.path} is a run with {key}={facts.get(key)}, not "
                    f"{value}. Give the options and the store of the run to go on with "
                    "it."
                )
        if load_config(self._folder.path / "config.yaml") != self._config:
            raise InputError(
                f"{self._folder.path} was started with another config than this one. "
                f"Give its own: --config {self._folder.path / 'config.yaml'}."
            )
        state = load_latest_checkpoint(self._folder.checkpoints)
        self._folder.forget_metrics_after(state.step)
        return state

    def _train_stage(
        self, stage: Stage, state: TrainingState | None, *, log: MetricsLog, bar: Any
    ) -> TrainingState:
        first_step = stage.first_step if state is None else state.step
        conditional = self._is_conditional(stage)
        model = build_stage_model(self._config, stage, state, conditional=conditional)
        pools = self._pools if conditional else self._pools[:1]
        dataset = make_dataset(
            self._store,
            pools,
            resolution=stage.resolution,
            batch_size=stage.batch_size,
            seed=self._config.training.seed,
            first_step=first_step,
            num_steps=stage.end_step - first_step,
        )
        log.start_stage()
        model.fit(
            dataset,
            verbose=0,
            shuffle=False,
            callbacks=self._callbacks(model, first_step, log=log, bar=bar),
        )
        self._save_sheet(model, log)
        return capture_state(model, stage.end_step)

    def _callbacks(
        self, model: ProgressiveGAN, first_step: int, *, log: MetricsLog, bar: Any
    ) -> list[Any]:
        def tick(step: int, metrics: dict[str, float]) -> None:
            log.record(step, metrics)
            model.reset_metrics()

        def checkpoint(step: int, metrics: dict[str, float]) -> None:
            save_checkpoint(self._folder.checkpoints, capture_state(model, step))

        settings = self._config.training
        return [
            StageProgress(
                bar,
                schedule=self._schedule,
                stage=model.stage,
                first_step=first_step,
                cost=self._cost,
            ),
            *(
                Every(
                    action,
                    stage=model.stage,
                    interval_images=interval,
                    first_step=first_step,
                )
                for action, interval in (
                    (tick, settings.tick_images),
                    (checkpoint, settings.checkpoint_images),
                )
            ),
        ]

    def _save_sheet(self, model: ProgressiveGAN, log: MetricsLog) -> None:
        columns = self._config.training.sheet_columns
        latents = tf.random.stateless_normal(
            (columns * columns, self._config.networks.latent_dim),
            seed=(self._config.training.seed, _SHEET_STREAM),
            alg="philox",
        )
        alpha = tf.constant(1.0) if model.stage.transition else None
        images = model.generator_ema(latents, alpha=alpha, training=False)
        sheet = image_sheet(to_uint8(images).numpy(), columns)
        num_images = self._schedule.images_before(model.stage.end_step)
        sheet.save(self._folder.sheet(num_images))
        log.image(np.asarray(sheet), num_images)

    def _pool(self, name: str) -> np.ndarray:
        pool = self._store.patch_set(name, "train")
        if not len(pool):
            raise InputError(
                f"{self._store.path} has no {name} patches among its training images. "
                "Lower `patches.inside_coverage` or raise `patches.outside_coverage`, "
                "and prepare the store again."
            )
        return pool

    def _is_conditional(self, stage: Stage) -> bool:
        return (
            self._model == "lc_pggan"
            and stage.resolution >= self._config.objective.lc_resolution
        )

    def _cost(self, resolution: int) -> int:
        width = {
            "fmap_base": self._config.networks.fmap_base,
            "fmap_max": self._config.networks.fmap_max,
        }
        latent_dim = self._config.networks.latent_dim
        return generator_flops(
            resolution, latent_dim=latent_dim, **width
        ) + discriminator_flops(resolution, **width)


def _check_model(config: ExperimentConfig, model: ModelName) -> None:
    if model != "lc_pggan":
        return
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
