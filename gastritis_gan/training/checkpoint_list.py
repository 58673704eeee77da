"""The checkpoints that a run has, and which of them is meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.errors import InputError
from gastritis_gan.training.recipe import Recipe

Tick = dict[str, Any]
Choice = Literal["best", "last", "kimg"]


def best_tick(recipe: Recipe, ticks: Sequence[Tick]) -> Tick | None:
    """Returns the tick of the last stage with the least `quality`.

    Only ticks that validation patients judged count, and only in a stable last stage.
    """
    last = recipe.schedule.stages[-1]
    judged = [
        tick
        for tick in ticks
        if not last.transition
        and tick["step"] > last.first_step
        and tick.get("quality_reference") == "validation"
        and tick["quality"] is not None
    ]
    return min(judged, key=lambda tick: float(tick["quality"]), default=None)


@dataclasses.dataclass(frozen=True)
class CheckpointList:
    """The checkpoints of a run.

    Attributes:
        run: Its folder, for messages.
        recipe: What it trains.
        steps: Of its checkpoints.
        ticks: Its metrics.
    """

    run: Path
    recipe: Recipe
    steps: Sequence[int]
    ticks: Sequence[Tick]

    def choose(self, wanted: str | float | None) -> tuple[Choice, int]:
        """Returns which checkpoint is meant, and its step.

        Args:
            wanted: `"best"`, `"last"`, or after how many thousand images; None for the
                best if there is one, else the last.

        Raises:
            InputError: There is no such checkpoint, or it is in a transition. The step
                of the last one is not looked at.
        """
        best = self._best_step()
        if wanted is None:
            wanted = "last" if best is None else "best"
        if wanted == "best":
            if best is None:
                raise InputError(f"{self.run} has no best checkpoint: {self._why()}")
            return "best", best
        if wanted == "last":
            return "last", max(self.steps, default=0)
        step = self._step_after(wanted)
        self.refuse_in_transition(step)
        return "kimg", step

    def refuse_in_transition(self, step: int) -> None:
        """Refuses a checkpoint between two resolutions.

        Raises:
            InputError: It is one; the message names the nearest that is not.
        """
        stage = self.recipe.spec_at(step).stage
        if not stage.transition:
            return
        stable = [s for s in self.steps if not self.recipe.spec_at(s).stage.transition]
        nearest = min(stable, key=lambda other: abs(other - step), default=None)
        way_out = (
            "Resume the run until it is over"
            if nearest is None
            else f"The nearest that can be is {self._kimg(nearest)}"
        )
        raise InputError(
            f"{self.run}: the checkpoint of {self._kimg(step)} thousand images is in "
            f"the middle of the transition to {stage.resolution} pixels and cannot be "
            f"exported. {way_out}."
        )

    def listed(self) -> str:
        """Names the checkpoints in a sentence."""
        if not self.steps:
            return "It has no checkpoint yet."
        numbers = ", ".join(str(self._kimg(step)) for step in self.steps)
        return f"There are, in thousand images: {numbers}."

    def _best_step(self) -> int | None:
        # A kill between metrics and checkpoint leaves the former alone.
        kept = [tick for tick in self.ticks if tick["step"] in self.steps]
        best = best_tick(self.recipe, kept)
        return best["step"] if best else None

    def _why(self) -> str:
        """Why there is no best checkpoint, and what to choose instead."""
        last = self.recipe.schedule.stages[-1]
        if any(tick.get("quality_reference") == "training" for tick in self.ticks):
            return (
                "its split has no validation patients (or too few), and on training "
                "patches the best state would be the one that has learnt most of them "
                "by heart. Choose `last`."
            )
        if last.transition:
            return "its schedule ends in a transition. Choose `last`."
        if not any(tick["step"] > last.first_step for tick in self.ticks):
            return (
                f"it has not reached the stable phase at {last.resolution} pixels yet. "
                "Choose `last`, or resume it."
            )
        return (
            "no tick of its last stage has both a `quality` and a checkpoint. Choose "
            "`last`."
        )

    def _step_after(self, kimg: str | float) -> int:
        """Returns the step of the checkpoint after so many thousand images."""
        text = str(kimg)
        try:
            wanted = Decimal(text)
            digits = max(0, -int(wanted.as_tuple().exponent))  # rounded as it is given
        except (InvalidOperation, ValueError):
            raise InputError(
                "the checkpoint must be best, last or a number of thousand images, not "
                f"{text!r:.40}."
            ) from None
        found = [
            step
            for step in self.steps
            if round(Decimal(self._images(step)) / 1000, digits) == wanted
        ]
        if len(found) != 1:
            number = "several checkpoints" if found else "no checkpoint"
            raise InputError(f"{self.run} has {number} of {text}. {self.listed()}")
        return found[0]

    def _images(self, step: int) -> int:
        return self.recipe.schedule.images_before(step)

    def _kimg(self, step: int) -> float:
        return self._images(step) / 1000
