"""A run from its config to its last checkpoint: the composition root of training."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from gastritis_gan.config import ExperimentConfig, dump_config, load_config
from gastritis_gan.errors import InputError
from gastritis_gan.names import ModelName, Target
from gastritis_gan.progress import progress_bar
from gastritis_gan.store.store import Store
from gastritis_gan.training.branching import copy_history, last_common_state
from gastritis_gan.training.checkpoint import load_latest_checkpoint, save_checkpoint
from gastritis_gan.training.distribution import Distribution
from gastritis_gan.training.every import Every
from gastritis_gan.training.interruption import Interruption
from gastritis_gan.training.plan import (
    branch_step,
    forward_operations,
    group_size,
    num_parts,
)
from gastritis_gan.training.progressive_gan import ProgressiveGAN
from gastritis_gan.training.recorder import Recorder
from gastritis_gan.training.run_folder import RunFolder
from gastritis_gan.training.schedule import Stage
from gastritis_gan.training.stage_model import (
    build_stage_model,
    capture_state,
    restore_metrics,
)
from gastritis_gan.training.stage_progress import StageProgress
from gastritis_gan.training.state import TrainingState
from gastritis_gan.training.task import Task
from gastritis_gan.training.watch import Watch


def train(
    config: ExperimentConfig,
    store: Store,
    *,
    model: ModelName,
    target: Target,
    run_dir: Path,
    resume: bool = False,
    branch_from: Path | None = None,
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
        branch_from: A pggan run whose last common checkpoint an lc_pggan run starts
            from; the result equals that of an lc_pggan run from the start.

    Raises:
        InputError: The parts do not belong together, a patch set is empty, the folder
            exists (or, with `resume`, is another run), or no step is finite any more.
        RunInterruptedError: SIGINT or SIGTERM came.
    """
    task = Task(config, store, model=model, target=target)
    run = _Run(task, RunFolder(run_dir), Distribution(config.training.distribution))
    tf.config.experimental.enable_op_determinism()
    if resume:
        run.resume()
    elif branch_from is not None:
        run.branch(RunFolder(branch_from))
    else:
        run.start()


class _Run:
    def __init__(
        self, task: Task, folder: RunFolder, distribution: Distribution
    ) -> None:
        self._task = task
        self._config = task.config
        self._schedule = task.schedule
        self._folder = folder
        self._distribution = distribution
        self._interruption = Interruption()
        for stage in self._schedule.stages:
            distribution.check_batch_size(
                stage.batch_size,
                resolution=stage.resolution,
                group_size=group_size(self._config, task.model),
                num_parts=num_parts(self._config, task.model, stage),
            )

    def start(self) -> None:
        self._create()
        with self._alone():
            self._train(None)

    def branch(self, source: RunFolder) -> None:
        state = last_common_state(
            source,
            config=self._config,
            facts=self._task.facts,
            step=branch_step(self._config, self._schedule),
        )
        self._create()
        with self._alone():
            if self._distribution.is_chief:
                copy_history(
                    source,
                    self._folder,
                    step=state.step,
                    num_images=self._schedule.images_before(state.step),
                )
                save_checkpoint(
                    self._folder.checkpoints,
                    state,
                    keep=self._config.training.keep_checkpoints,
                )
            self._train(state)

    def resume(self) -> None:
        self._check_same_run()
        with self._alone():
            has_checkpoint = any(self._folder.checkpoints.glob("step_*.npz"))
            state = None  # killed before its first checkpoint
            if has_checkpoint:
                state = load_latest_checkpoint(self._folder.checkpoints)
            if self._distribution.is_chief:
                self._folder.clean_up_after(0 if state is None else state.step)
            self._train(state)

    def _create(self) -> None:
        if self._distribution.is_chief:
            self._folder.create(self._task.facts, dump_config(self._config))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            if self._distribution.is_chief:
                stack.enter_context(self._folder.locked())
            stack.enter_context(self._interruption.listening())
            yield

    def _check_same_run(self) -> None:
        facts = self._folder.facts()
        for key, value in self._task.facts.items():
            if facts.get(key) != value:
                raise InputError(
                    f"{self._folder.path} is a run with {key}={facts.get(key)}, not "
                    f"{value}. Give the options and the store of the run to go on with "
                    "it."
                )
        if load_config(self._folder.config) != self._config:
            raise InputError(
                f"{self._folder.path} was started with another config than this one. "
                f"Give its own: --config {self._folder.config}."
            )

    def _train(self, state: TrainingState | None) -> None:
        done = 0 if state is None else self._schedule.images_before(state.step)
        total = self._schedule.images_before(self._schedule.num_steps)
        with (
            progress_bar(
                total=total,
                initial=done,
                description="fit",
                unit="images",
                visible=self._distribution.is_chief,
            ) as bar,
            self._distribution.lost_workers_named(),
        ):
            recorder = None
            if self._distribution.is_chief:
                recorder = Recorder(self._task, self._folder, bar)
            for stage in self._schedule.stages:
                if state is None or state.step < stage.end_step:
                    state = self._train_stage(stage, state, recorder, bar)

    def _train_stage(
        self,
        stage: Stage,
        state: TrainingState | None,
        recorder: Recorder | None,
        bar: Any,
    ) -> TrainingState:
        first_step = stage.first_step if state is None else state.step
        with self._distribution.strategy.scope():
            model = build_stage_model(
                self._config,
                stage,
                state,
                model=self._task.model,
            )
        if recorder is not None:
            recorder.start_stage(stage)

        def go_on_with_means(epoch: int, logs: Any) -> None:
            if state is not None:  # fit() has reset them just before
                restore_metrics(model, state)

        model.fit(
            self._distribution.dataset(
                functools.partial(self._task.dataset, stage, first_step),
                stage.batch_size,
            ),
            steps_per_epoch=stage.end_step - first_step,
            verbose=0,
            shuffle=False,
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_begin=go_on_with_means),
                *self._callbacks(model, recorder, bar),
            ],
        )
        return capture_state(model, stage.end_step)

    def _callbacks(
        self,
        model: ProgressiveGAN,
        recorder: Recorder | None,
        bar: Any,
    ) -> list[Any]:
        settings = self._config.training

        def tick(step: int, metrics: dict[str, float]) -> None:
            if recorder is not None:
                recorder.tick(model, step, metrics)
            model.reset_metrics()

        def keep(step: int, metrics: dict[str, float]) -> None:
            state = capture_state(model, step)  # on every worker: it reads from all
            if recorder is not None:
                recorder.keep(model, state)

        def every(
            interval_images: int, action: Callable[[int, dict[str, float]], None]
        ) -> Every:
            return Every(
                action,
                stage=model.stage,
                interval_images=interval_images,
            )

        return [
            StageProgress(
                bar,
                schedule=self._schedule,
                stage=model.stage,
                cost=self._cost,
            ),
            every(settings.tick_images, tick),
            every(settings.checkpoint_images, keep),
            Watch(
                self._interruption,
                None if self._distribution.is_cluster else keep,
                max_skipped_steps=settings.max_skipped_steps,
            ),
        ]

    def _cost(self, resolution: int) -> int:
        if self._task.model == "dcgan":
            return 1  # of the same network at every step
        return forward_operations(self._config, resolution)
