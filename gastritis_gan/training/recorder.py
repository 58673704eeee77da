"""Everything that a run writes while it trains."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tensorflow as tf

from gastritis_gan.images import image_sheet
from gastritis_gan.serving.signatures import to_uint8
from gastritis_gan.training.checkpoint import save_checkpoint
from gastritis_gan.training.health import HealthCheck
from gastritis_gan.training.metrics_log import MetricsLog
from gastritis_gan.training.plan import branch_step
from gastritis_gan.training.progressive_gan import ProgressiveGAN
from gastritis_gan.training.run_folder import RunFolder
from gastritis_gan.training.schedule import Stage, alpha_at
from gastritis_gan.training.state import TrainingState
from gastritis_gan.training.task import Task
from gastritis_gan.training.verdicts import verdicts

_SHEET_STREAM = 1 << 40  # apart from every training step


class Recorder:
    """Writes metrics, verdicts, sheets and checkpoints of a run.

    Args:
        task: What is trained.
        folder: The run.
        bar: The run's tqdm bar; new verdicts are written above it.
    """

    def __init__(self, task: Task, folder: RunFolder, bar: Any) -> None:
        self._task = task
        self._folder = folder
        self._bar = bar
        self._log = MetricsLog(folder, schedule=task.schedule)
        self._health: HealthCheck | None = None
        self._verdicts: list[str] = []

    def start_stage(self, stage: Stage) -> None:
        """Reads the patches that the stage is watched on."""
        self._log.start_stage()
        settings = self._task.config.training
        if settings.health_patches:
            training, validation = self._task.health_patches(stage)
            self._health = HealthCheck(training, validation, seed=settings.seed)

    def tick(self, model: ProgressiveGAN, step: int, metrics: dict[str, float]) -> None:
        """Writes the means since the last tick, and how the model is doing."""
        figures = dict(metrics)
        if self._health is not None:
            figures |= self._health.measure(model, alpha_at(model.stage, step))
        found = verdicts(
            figures,
            num_images=self._task.num_images,
            logistic=self._task.is_logistic,
        )
        self._log.record(step, figures, verdicts=found)
        num_images = self._task.schedule.images_before(step)
        for sentence in found:
            if not any(_same(sentence, before) for before in self._verdicts):
                line = f"{num_images / 1000:.1f} kimg: {sentence}"
                self._bar.write(line, file=sys.stderr)
        self._verdicts = found

    def keep(self, model: ProgressiveGAN, state: TrainingState) -> None:
        """Writes a sheet of the fixed latents and a checkpoint."""
        self._save_sheet(model, state.step)
        config, schedule = self._task.config, self._task.schedule
        save_checkpoint(
            self._folder.checkpoints,
            state,
            keep=config.training.keep_checkpoints,
            always=[branch_step(config, schedule)],
        )

    def _save_sheet(self, model: ProgressiveGAN, step: int) -> None:
        settings = self._task.config.training
        latents = tf.random.stateless_normal(
            (settings.sheet_columns**2, model.generator.latent_dim),
            seed=(settings.seed, _SHEET_STREAM),
            alg="philox",
        )
        stage = model.stage
        alpha = tf.constant(alpha_at(stage, step)) if stage.transition else None
        images = model.generator_ema(latents, alpha=alpha, training=False)
        sheet = image_sheet(to_uint8(images).numpy(), settings.sheet_columns)
        num_images = self._task.schedule.images_before(step)
        self._folder.save_sheet(sheet, num_images)
        self._log.image(np.asarray(sheet), num_images)


def _same(sentence: str, other: str) -> bool:
    """Whether two verdicts differ in their numbers only."""
    return sentence.split()[:3] == other.split()[:3]
