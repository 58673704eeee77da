"""A Keras callback that acts at fixed steps of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from gastritis_gan.training.schedule import Stage


class Every(keras.callbacks.Callback):
    """Calls `action(step, logs)` every `interval_images` and at the end of the stage.

    Args:
        action: Receives the number of steps done since the start of the run, and the
            metrics.
        stage: The stage that is trained.
        interval_images: Rounded to whole batches and counted from the stage's first
            step, so that a resumed run acts at the same steps.
    """

    def __init__(
        self,
        action: Callable[[int, dict[str, float]], None],
        *,
        stage: Stage,
        interval_images: int,
    ) -> None:
        super().__init__()
        self.action = action
        self.stage = stage
        self.interval_steps = stage.steps_of(interval_images)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Acts when the step just done ends an interval or the stage."""
        step = self.model.num_steps_done
        in_stage = step - self.stage.first_step
        if in_stage % self.interval_steps == 0 or step == self.stage.end_step:
            self.action(step, logs or {})
