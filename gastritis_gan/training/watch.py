"""A Keras callback that ends a run between two steps, for a reason that it gives."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import keras

from gastritis_gan.errors import InputError
from gastritis_gan.training.interruption import Interruption, RunInterruptedError


class Watch(keras.callbacks.Callback):
    """Stops on a signal, after a checkpoint, or on steps that cannot be done.

    Args:
        interruption: Knows of signals.
        save: Writes a checkpoint after a number of steps of the run; None where one
            process alone cannot, in a cluster.
        max_skipped_steps: How many steps in a row may be skipped as not finite.
    """

    def __init__(
        self,
        interruption: Interruption,
        save: Callable[[int, dict[str, float]], None] | None,
        *,
        max_skipped_steps: int,
    ) -> None:
        super().__init__()
        self.interruption = interruption
        self.save = save
        self.max_skipped_steps = max_skipped_steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raises when the run has to end here."""
        step = self.model.num_steps_done
        skipped = (
            int(self.model.consecutive_skips.numpy()) if logs["skipped_steps"] else 0
        )
        if skipped > self.max_skipped_steps:
            raise InputError(
                f"stopped at step {step}: {skipped} steps in a row had a loss or "
                "gradient that is not finite. The last checkpoint is from before. Look "
                "for damaged patches or lower `optimizer.learning_rate`, and start "
                "another run."
            )
        number = self.interruption.signal_number
        if number is not None:
            where = "its last checkpoint"
            if self.save is not None:
                self.save(step, logs)
                where = "exactly here"
            raise RunInterruptedError(
                f"stopped by {signal.Signals(number).name} after step {step}. The same "
                f"command with --resume goes on from {where}.",
                signal_number=number,
            )
