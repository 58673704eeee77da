"""Keras callbacks of a run: what happens between two steps, and when it ends early."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras

from gastritis_gan.errors import InputError, RunInterruptedError
from gastritis_gan.training.interruption import Interruption
from gastritis_gan.training.recipe import forward_operations
from gastritis_gan.training.schedule import Schedule

Action = Callable[[int, dict[str, float]], None]


class Every(keras.callbacks.Callback):
    """Calls `action(step, logs)` every `interval_steps` and at the end of the stage.

    Args:
        action: Receives the number of steps done since the start of the run, and the
            metrics.
        interval_steps: Counted from the stage's first step, so that a resumed run acts
            at the same steps.
    """

    def __init__(self, action: Action, *, interval_steps: int) -> None:
        super().__init__()
        self.action = action
        self.interval_steps = interval_steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Acts when the step just done ends an interval or the stage."""
        step, stage = self.model.num_steps_done, self.model.spec.stage
        in_stage = step - stage.first_step
        if in_stage % self.interval_steps == 0 or step == stage.end_step:
            self.action(step, logs or {})


class StageProgress(keras.callbacks.Callback):
    """Moves the run's bar and forecasts its end from this stage's speed.

    Args:
        bar: tqdm bar in real images, which shows its description.
        schedule: The whole run.
        name: Of the run, for logs, which several may share.
    """

    def __init__(self, bar: Any, *, schedule: Schedule, name: str) -> None:
        super().__init__()
        self.name = name
        self.bar = bar
        self.schedule = schedule
        self._step = 0
        self._stage = ""
        self._speed = ""
        self._quality = ""
        self._started: tuple[float, int] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Names the stage."""
        self._step = self.model.num_steps_done
        stage = self.model.spec.stage
        self._stage = f"{stage.resolution} px {stage.phase}"
        self.bar.set_description_str(self._stage)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts the batches of the call."""
        step, stage = self.model.num_steps_done, self.model.spec.stage
        now = time.monotonic()
        if self._started is None:  # the first call includes the tracing of the graph
            self._started = now, step
        elif (seconds := now - self._started[0]) > 0:
            images = (step - self._started[1]) * stage.batch_size
            images_per_second = images / seconds
            remaining = self.bar.format_interval(
                self._remaining_images(step) / images_per_second
            )
            # Small networks wait more than they compute, so larger ones cost less than
            # their operations make one expect.
            is_last = stage.resolution == self.schedule.stages[-1].resolution
            places = 0 if images_per_second >= 10 else 1
            self._speed = (
                f", {images_per_second:.{places}f} images/s, "
                f"{'about' if is_last else 'at most'} {remaining} left"
            )
        self.bar.set_description_str(
            f"{self._stage}{self._quality}{self._speed}", refresh=False
        )
        self.bar.update((step - self._step) * stage.batch_size)
        self._step = step

    def tick(self, metrics: Mapping[str, float]) -> None:
        """Shows what a tick measured; a log, which has no bar, gets a line.

        Args:
            metrics: Of the tick.
        """
        quality = metrics.get("quality")
        self._quality = "" if quality is None else f", quality {quality:.3f}"
        if self.bar.disable:
            num_images = self.schedule.images_before(self._step)
            share = num_images / self.schedule.num_images
            line = (
                f"{self.name}, {num_images / 1000:.1f} kimg ({share:.0%}), "
                f"{self._stage}: d_loss {metrics['d_loss']:.3f}, g_loss "
                f"{metrics['g_loss']:.3f}{self._quality}{self._speed}"
            )
            self.bar.write(line, file=sys.stderr)

    def _remaining_images(self, step: int) -> float:
        """Images that are left, each weighted by its cost relative to this stage's."""
        networks = self.model.spec.networks
        cost = functools.partial(forward_operations, networks)
        total = 0
        for stage in self.schedule.stages:
            steps = max(stage.end_step - max(step, stage.first_step), 0)
            total += steps * stage.batch_size * cost(stage.resolution)
        return float(total / cost(self.model.spec.stage.resolution))


class Watch(keras.callbacks.Callback):
    """Stops on a signal, after a checkpoint, or on steps that cannot be done.

    Args:
        interruption: Knows of signals.
        save: Writes a checkpoint after a number of steps of the run; None where one
            process alone cannot, in a cluster.
    """

    def __init__(self, interruption: Interruption, save: Action | None) -> None:
        super().__init__()
        self.interruption = interruption
        self.save = save

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raises when the run has to end here."""
        step = self.model.num_steps_done
        skipped = (
            int(self.model.consecutive_skips.numpy()) if logs["skipped_steps"] else 0
        )
        if skipped > self.model.spec.max_skipped_steps:
            raise InputError(
                f"stopped at step {step}: {skipped} steps in a row had a loss or "
                "gradient that is not finite. The last checkpoint is from before. Look "
                "for damaged patches or lower `optimizer.learning_rate`, and start "
                "another run."
            )
        number = self.interruption.signal_number
        if number is not None:
            where = "from its last checkpoint"
            if self.save is not None:
                self.save(step, logs)
                where = "exactly here"
            raise RunInterruptedError(
                f"stopped by {signal.Signals(number).name} after step {step}. The same "
                f"command with --resume continues {where}.",
                signal_number=number,
            )
