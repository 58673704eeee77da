"""Training a run from its first stage to its last checkpoint: where all meets."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from gastritis_gan import rng
from gastritis_gan.errors import InputError
from gastritis_gan.images import SHOWS_PATIENTS, drawable, float_to_uint8, image_sheet
from gastritis_gan.store.dataset import make_dataset
from gastritis_gan.store.store import Store, read_patches
from gastritis_gan.tensorflow_setup import is_set_up, tensorflow_settings
from gastritis_gan.training.callbacks import Every, StageProgress, Watch
from gastritis_gan.training.checkpoint import TrainingState
from gastritis_gan.training.distribution import Distribution, deterministic_operations
from gastritis_gan.training.event_file import EventFile
from gastritis_gan.training.gan_step import (
    GAN,
    build_gan,
    capture_state,
    restore_metrics,
)
from gastritis_gan.training.interruption import Interruption
from gastritis_gan.training.monitor import HealthCheck, verdicts
from gastritis_gan.training.precision import fastest_precision
from gastritis_gan.training.quality import QualityPatches
from gastritis_gan.training.recipe import Recipe, StageSpec, make_recipe
from gastritis_gan.training.run import Run
from gastritis_gan.training.schedule import Stage, alpha_at
from gastritis_gan.training.training_settings import (
    ModelName,
    Target,
    TrainingConfig,
    TrainingSections,
)
from gastritis_gan.typed_config import to_plain

_log = logging.getLogger(__name__)

_GROUPS = {  # of TensorBoard's curves; the rest is about progress
    **dict.fromkeys(("d_loss", "g_loss"), "losses"),
    **dict.fromkeys(
        ("d_gradient_norm", "g_gradient_norm", "skipped_steps"), "gradients"
    ),
    **dict.fromkeys(
        (
            "real_scores",
            "real_scores_std",
            "fake_scores",
            "fake_scores_std",
            "training_scores",
            "validation_scores",
            "sample_scores",
            "score_spread",
        ),
        "scores",
    ),
    **dict.fromkeys(
        ("diversity", "real_diversity", "ms_ssim", "real_ms_ssim"), "diversity"
    ),
    **dict.fromkeys(("quality", "quality_floor", "quality_other_class"), "quality"),
}


def fit(  # noqa: PLR0913 - what to train, on what, and where
    sections: TrainingSections,
    store: Store,
    *,
    model: ModelName,
    target: Target,
    out: str | os.PathLike[str],
    resume: bool = False,
    branch_from: str | os.PathLike[str] | None = None,
    document: Mapping[str, Any] | None = None,
) -> Run:
    """Trains one generator and keeps everything about it in a folder.

    The same arguments give the same checkpoints, bit for bit, in a new process as after
    other runs in this one, unless `training.deterministic` is false. TensorFlow's
    operations are deterministic while it trains, and afterwards as they were.

    Args:
        sections: The training sections of the experiment.
        store: Where the patches come from.
        model: `"pggan"` (Eq. 2), `"lc_pggan"` (Eq. 5 from `objective.lc_resolution` on)
            or `"dcgan"`.
        target: The patch set to imitate.
        out: A new folder, or with `resume` the folder of the same run.
        resume: Continue from the newest checkpoint. The last stage may have become
            longer, and learning rates and bookkeeping others.
        branch_from: A pggan run whose last common checkpoint an lc_pggan run starts
            from; the result equals that of an lc_pggan run from the start.
        document: The whole experiment as a plain mapping, for the run's `config.yaml`;
            by default the training sections alone.

    Returns:
        The finished run.

    Raises:
        InputError: The parts do not belong together, a patch set is empty, the folder
            exists (or, with `resume`, is another run or its config differs in what may
            not change), or no step is finite any more.
        RunInterruptedError: SIGINT or SIGTERM came.
    """
    if resume and branch_from is not None:
        raise InputError("a run either resumes or branches from another: give one.")
    document = to_plain(sections) if document is None else dict(document)
    sections = _with_precision(sections, like=out if resume else branch_from)
    document["networks"] = to_plain(sections.networks)
    recipe = make_recipe(model, sections)
    task = Task(recipe, store, target=target, settings=sections.training)
    distribution = Distribution(sections.training.distribution)
    for spec in recipe.stages:
        distribution.check_batch_size(spec)
    out, state, source = Path(out), None, None
    if resume:
        run = Run.open(out)
        run.check_same(task.record)
    else:
        if branch_from is not None:
            source = Run.open(branch_from)
            state = source.branch_state(recipe, record=task.record, document=document)
        record = {
            **task.record,
            # the key may be another when the run is resumed
            **({"split_mark": store.split_mark} if store.split_mark else {}),
            "environment": _environment(sections),
        }
        run = Run(out, record, document)
        if distribution.is_chief:
            run.create()
    interruption = Interruption()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_removed_unless_begun(run, is_new=not resume))
        if distribution.is_chief:
            stack.enter_context(run.locked())
        if resume:
            state = run.resume(document, write=distribution.is_chief)
        if distribution.is_chief:
            if source is not None and state is not None:
                run.copy_history(source, state.step)
                run.save_checkpoint(state)
            run.rewind(0 if state is None else state.step)
        stack.enter_context(interruption.listening())
        stack.enter_context(
            deterministic_operations(wanted=sections.training.deterministic)
        )
        _Training(task, run, distribution, interruption).train(state)
    return run


def _with_precision(
    sections: TrainingSections, *, like: str | os.PathLike[str] | None
) -> TrainingSections:
    """Decides a precision that is left open: as another run, or as is fastest here."""
    networks = sections.networks
    if networks.precision != "auto":
        return sections
    networks = dataclasses.replace(
        networks,
        precision=fastest_precision()
        if like is None
        else Run.open(like).sections.networks.precision,
    )
    return dataclasses.replace(sections, networks=networks)


@contextlib.contextmanager
def _removed_unless_begun(run: Run, *, is_new: bool) -> Iterator[None]:
    """Removes a new run that the system stops before its first checkpoint."""
    try:
        yield
    except Exception as error:
        is_of_the_system = isinstance(error.__cause__ or error, OSError)
        if is_of_the_system and is_new and not run.has_checkpoint():
            shutil.rmtree(run.path, ignore_errors=True)
        raise


def _environment(sections: TrainingSections) -> dict[str, Any]:
    settings = tensorflow_settings()
    if not settings["onednn"] and not is_set_up():
        _log.warning(
            "TensorFlow was imported before gastritis_gan, without oneDNN's kernels: "
            "this run's numbers will differ in rounding from those of the command "
            "line. Import gastritis_gan first, or set TF_ENABLE_ONEDNN_OPTS=1."
        )
    return {**settings, "deterministic": sections.training.deterministic}


class Task:
    """A recipe, a target and the patches, checked to fit.

    Args:
        recipe: What is trained.
        store: Where the patches come from.
        target: The patch set to imitate.
        settings: Seed and bookkeeping.

    Attributes:
        record: Model, target, class and split: what makes two runs the same task.
        num_images: Training images that have patches of the target.

    Raises:
        InputError: A patch set is empty, or its patches are too small.
    """

    def __init__(
        self, recipe: Recipe, store: Store, *, target: Target, settings: TrainingConfig
    ) -> None:
        self.recipe = recipe
        self.settings = settings
        self.record: dict[str, Any] = {
            "model": recipe.model,
            "target": target,
            "class_name": store.positive if target == "positive" else store.negative,
            "split_hash": store.split_hash,
            # absent when False: runs of older stores can still be resumed
            **({"is_synthetic": True} if store.is_synthetic else {}),
            **({"split_given": True} if store.split_given else {}),
            **{key: text for key, text in store.subject.items() if text},
        }
        self._store = store
        if recipe.final_resolution > store.geometry.patch_size:
            raise InputError(
                f"{recipe.model} makes images of {recipe.final_resolution} pixels, "
                "more than the store's `patches.patch_size` "
                f"({store.geometry.patch_size}). "
                "Lower `schedule.final_resolution`, for dcgan `dcgan.resolution`."
            )
        store.keep_images()
        other = "negative" if target == "positive" else "positive"
        sets = (target, other, "outside") if recipe.is_conditional else (target,)
        self._pools = [self._pool(name) for name in sets]
        self._validation_pool = store.patch_set(target, "validation")
        self.num_images = len(np.unique(store.patch_image[self._pools[0]]))

    def dataset(
        self,
        spec: StageSpec,
        first_step: int,
        shards: Sequence[int] = (0,),
        num_shards: int = 1,
    ) -> tf.data.Dataset:
        """Returns the batches of a stage from a step of the run on.

        Args:
            spec: The stage.
            first_step: Step of the run.
            shards: As of `make_dataset`.
            num_shards: As of `make_dataset`.
        """
        return make_dataset(
            self._store,
            self._pools if spec.is_conditional else self._pools[:1],
            resolution=spec.stage.resolution,
            batch_size=spec.stage.batch_size,
            seed=spec.seed,
            first_step=first_step,
            num_steps=spec.stage.end_step - first_step,
            shards=shards,
            num_shards=num_shards,
        )

    def health_patches(self, stage: Stage) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns fixed patches of training and of validation patients, if there are.

        Returns:
            float32 arrays of shape (n, r, r, 1) in [-1, 1]; n is the multiple of the
            stage's batch next to `training.health_patches`.
        """
        batches = max(1, round(self.settings.health_patches / stage.batch_size))

        def some(pool: np.ndarray, purpose: str) -> np.ndarray:
            stream = rng.stream(0, purpose)  # the same in every run of a store
            indices = stream.choice(pool, batches * stage.batch_size)
            return read_patches(self._store, indices, stage.resolution)

        validation = self._validation_pool
        return some(self._pools[0], "training.health_patches.train"), (
            some(validation, "training.health_patches.validation")
            if len(validation)
            else None
        )

    def real_sheet(self, resolution: int) -> Image.Image:
        """Draws patches of training patients, the same in every run of a store."""
        pool, columns = self._pools[0], self.settings.sheet_columns
        stream = rng.stream(0, "training.real_sheet")
        chosen = stream.permutation(pool)[: columns**2]
        warning = "" if self._store.is_synthetic else f" {SHOWS_PATIENTS}"
        return image_sheet(
            self._store.read(chosen, resolution),
            columns,
            caption=f"{self.shown_class}: real training patches, "
            f"{resolution} x {resolution} pixels.{warning}",
        )

    @property
    def shown_class(self) -> str:
        """What captions call the class."""
        return drawable(self.record["class_name"], self.record["target"])

    def quality_patches(self, stage: Stage) -> QualityPatches | None:
        """Returns what samples of a stage are compared with, if there are patches."""
        if stage.transition:
            return None
        return QualityPatches.read(self._store, self.record["target"], stage.resolution)

    def _pool(self, name: str) -> np.ndarray:
        pool = self._store.patch_set(name, "train")
        if not len(pool):
            raise InputError(
                f"{self._store.path} has no {name} patches among its training images. "
                "Lower `patches.inside_coverage` or raise `patches.outside_coverage`, "
                "and prepare the store again."
            )
        return pool


@dataclasses.dataclass(frozen=True)
class _Training:
    """Trains the stages that are left, one Keras model after the other."""

    task: Task
    run: Run
    distribution: Distribution
    interruption: Interruption

    def train(self, state: TrainingState | None) -> None:
        """Trains from a state of the run, or from its start, to its end."""
        schedule, is_chief = self.task.recipe.schedule, self.distribution.is_chief
        with (
            tqdm(
                total=schedule.num_images,
                initial=0 if state is None else schedule.images_before(state.step),
                bar_format="{percentage:3.0f}%|{bar}| {desc}",
                dynamic_ncols=True,
                # None: on a terminal only; a log has a line a tick instead
                disable=None if is_chief else True,
                file=sys.stderr,
            ) as bar,
            self.distribution.lost_workers_named(),
        ):
            recorder = _Recorder(self.task, self.run, bar) if is_chief else None
            for spec in self.task.recipe.stages:
                if state is None or state.step < spec.stage.end_step:
                    state = self._train_stage(spec, state, recorder, bar)

    def _train_stage(
        self,
        spec: StageSpec,
        state: TrainingState | None,
        recorder: _Recorder | None,
        bar: Any,
    ) -> TrainingState:
        stage = spec.stage
        first_step = stage.first_step if state is None else state.step
        with self.distribution.strategy.scope():
            gan = build_gan(spec, state)
        if recorder is not None:
            recorder.start_stage(stage)

        def continue_means(epoch: int, logs: Any) -> None:
            if state is not None:  # fit() resets the metrics just before
                restore_metrics(gan, state)

        progress = StageProgress(
            bar, schedule=self.task.recipe.schedule, name=self.run.path.name
        )

        def tick(step: int, metrics: dict[str, float]) -> None:
            if recorder is not None:
                progress.tick(recorder.tick(gan, step, metrics))
            gan.reset_metrics()  # fit() does so per epoch, and a stage is one epoch

        def keep(step: int, metrics: dict[str, float]) -> None:
            state = capture_state(gan, step)  # on every worker: it reads from all
            if recorder is not None:
                recorder.keep(gan, state)

        def keep_best(step: int, metrics: dict[str, float]) -> None:
            state = capture_state(gan, step)
            if recorder is not None:
                recorder.keep_best(state)

        is_last = spec is self.task.recipe.stages[-1]
        gan.fit(
            self.distribution.dataset(
                functools.partial(self.task.dataset, spec, first_step),
                stage.batch_size,
            ),
            steps_per_epoch=stage.end_step - first_step,
            verbose=0,
            shuffle=False,
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_begin=continue_means),
                progress,
                Every(tick, interval_steps=spec.tick_steps),
                Every(keep, interval_steps=spec.checkpoint_steps),
                *(
                    [Every(keep_best, interval_steps=spec.tick_steps)]
                    if is_last
                    else []
                ),
                Watch(
                    self.interruption, None if self.distribution.is_cluster else keep
                ),
            ],
        )
        return capture_state(gan, stage.end_step)


class _Recorder:
    """Writes a run's metrics, TensorBoard events, verdicts, sheets and checkpoints.

    Steps in TensorBoard are real images.
    """

    def __init__(self, task: Task, run: Run, bar: Any) -> None:
        self._task = task
        self._run = run
        self._bar = bar  # new verdicts are written above it
        self._events = EventFile(run.tensorboard)
        self._health: HealthCheck | None = None
        self._reference = ""  # whose patches `quality` is measured against
        self._verdicts: list[str] = []
        self._last_tick: tuple[float, int] | None = None  # time and images
        self._last_kept: int | None = None  # step
        run.save_reals(task.real_sheet(task.recipe.final_resolution))

    def start_stage(self, stage: Stage) -> None:
        """Reads the patches on which the stage is watched."""
        self._last_tick = None  # tracing the next graph is not speed
        settings = self._task.settings
        num_images = self._task.recipe.schedule.images_before(stage.first_step)
        self._show("images/real", self._task.real_sheet(stage.resolution), num_images)
        if settings.health_patches:
            training, validation = self._task.health_patches(stage)
            quality = self._task.quality_patches(stage)
            self._health = HealthCheck(
                training, validation, quality, seed=settings.seed
            )
            has_validation = quality is not None and quality.has_validation
            self._reference = "validation" if has_validation else "training"

    def tick(self, gan: GAN, step: int, metrics: dict[str, float]) -> dict[str, float]:
        """Writes, and returns, means since the last tick and how the model is doing."""
        stage, recipe = gan.spec.stage, self._task.recipe
        num_images = recipe.schedule.images_before(step)
        if self._health is not None:
            metrics = metrics | self._health.measure(gan, alpha_at(stage, step))
        is_last = stage == recipe.stages[-1].stage and not stage.transition
        found = verdicts(
            metrics,
            num_images=self._task.num_images,
            logistic=recipe.is_logistic,
            class_name=self._task.record["class_name"] if is_last else None,
        )
        values = {
            "alpha": alpha_at(stage, step),
            **{name: float(value) for name, value in metrics.items()},
        }
        now = time.monotonic()
        if self._last_tick is not None:
            seconds, images = now - self._last_tick[0], num_images - self._last_tick[1]
            values["images_per_second"] = round(images / seconds, 1)
        self._last_tick = now, num_images
        self._run.append_metrics(
            {
                "step": step,
                "num_images": num_images,
                "resolution": stage.resolution,
                "phase": stage.phase,
                **{
                    name: value if math.isfinite(value) else None  # JSON has no NaN
                    for name, value in values.items()
                },
                **(
                    {"quality_reference": self._reference}
                    if "quality" in values
                    else {}
                ),
                "verdicts": found,
            }
        )
        curves = {"resolution": stage.resolution, **values}
        self._events.add_scalars(
            num_images,
            {f"{_GROUPS.get(k, 'progress')}/{k}": value for k, value in curves.items()},
        )
        for sentence in found:
            if not any(_same(sentence, before) for before in self._verdicts):
                name = self._run.path.name
                line = f"{name}, {num_images / 1000:.1f} kimg: {sentence}"
                self._bar.write(line, file=sys.stderr)
        self._verdicts = found
        return values

    def keep(self, gan: GAN, state: TrainingState) -> None:
        """Writes a sheet of the fixed latents and a checkpoint."""
        settings, stage = self._task.settings, gan.spec.stage
        latents = tf.random.stateless_normal(
            (settings.sheet_columns**2, gan.generator.latent_dim),
            seed=rng.stateless_seed(settings.seed, "training.sheet"),
            alg="philox",
        )
        alpha = tf.constant(alpha_at(stage, state.step)) if stage.transition else None
        images = gan.generator_ema(latents, alpha=alpha, training=False)
        num_images = self._task.recipe.schedule.images_before(state.step)
        fading = "" if alpha is None else f", new layers at {float(alpha):.0%}"
        sheet = image_sheet(
            float_to_uint8(images.numpy()),
            settings.sheet_columns,
            caption=f"{self._task.shown_class}: synthetic, {stage.resolution} x "
            f"{stage.resolution} pixels{fading}, after {num_images:,} real images.",
        )
        self._run.save_sheet(sheet, num_images)
        self._show("images/synthetic", sheet, num_images)
        self._save(state)

    def keep_best(self, state: TrainingState) -> None:
        """Writes a checkpoint if the tick at this step is the best of the run."""
        best = self._run.best_metrics()
        if best is not None and best["step"] == state.step != self._last_kept:
            self._save(state)

    def _save(self, state: TrainingState) -> None:
        self._run.save_checkpoint(state)
        self._last_kept = state.step

    def _show(self, name: str, sheet: Image.Image, num_images: int) -> None:
        """Adds a picture to TensorBoard."""
        self._events.add_picture(num_images, name, sheet)


def _same(sentence: str, other: str) -> bool:
    """Whether two verdicts differ in their numbers only."""
    return sentence.split()[:3] == other.split()[:3]
