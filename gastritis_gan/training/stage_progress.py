"""The progress bar of a run: speed, fade and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from gastritis_gan.progress import clock
from gastritis_gan.training.schedule import Schedule, Stage, alpha_at


class StageProgress(keras.callbacks.Callback):
    """Moves the run's bar and foretells its end from this stage's speed.

    Args:
        bar: tqdm bar in real images.
        schedule: The whole run.
        stage: The stage that is trained.
        cost: Operations per real image by resolution; turns the speed of this stage
            into the time of later ones.
    """

    def __init__(
        self,
        bar: Any,
        *,
        schedule: Schedule,
        stage: Stage,
        cost: Callable[[int], int],
    ) -> None:
        super().__init__()
        self.bar = bar
        self.schedule = schedule
        self.stage = stage
        self.cost = cost
        self._step = 0
        self._started: tuple[float, int] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Names the stage."""
        self._step = self.model.num_steps_done
        self.bar.set_description(f"{self.stage.resolution} px {self.stage.phase}")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts the batches of the call."""
        step, now = self.model.num_steps_done, time.monotonic()
        if self._started is None:  # the first call includes the tracing of the graph
            self._started = now, step
        elif (seconds := now - self._started[0]) > 0:
            images = (step - self._started[1]) * self.stage.batch_size
            images_per_second = images / seconds
            remaining = clock(self._remaining_images(step) / images_per_second)
            self.bar.set_postfix_str(
                f"{self.schedule.images_before(step) / 1000:.1f} kimg, "
                f"{images_per_second:.0f} images/s, alpha "
                f"{alpha_at(self.stage, step):.2f}, {self._roughly} {remaining} left",
                refresh=False,
            )
        self.bar.update((step - self._step) * self.stage.batch_size)
        self._step = step

    @property
    def _roughly(self) -> str:
        # Small networks wait more than they compute, so larger ones cost less than
        # their operations say.
        last = self.schedule.stages[-1]
        return "about" if self.stage.resolution == last.resolution else "at most"

    def _remaining_images(self, step: int) -> float:
        """Images that are left, each weighted by its cost relative to this stage's."""
        total = 0
        for stage in self.schedule.stages:
            steps = max(stage.end_step - max(step, stage.first_step), 0)
            total += steps * stage.batch_size * self.cost(stage.resolution)
        return total / self.cost(self.stage.resolution)
