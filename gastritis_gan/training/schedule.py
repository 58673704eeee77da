"""Progressive growth as arithmetic: which network trains when. Pure Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

Phase = Literal["transition", "stable"]
_N = TypeVar("_N", int, float)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One resolution in one phase: a fixed pair of networks.

    Attributes:
        resolution: Side of the images in pixels.
        phase: `"transition"` while the newest block fades in, else `"stable"`.
        batch_size: Real images per step, over all replicas.
        num_images: Real images this stage was asked to show.
        first_step: Number of steps that earlier stages take.
    """

    resolution: int
    phase: Phase
    batch_size: int
    num_images: int
    first_step: int

    @property
    def num_steps(self) -> int:
        """Steps in this stage; the last batch is whole and may exceed `num_images`."""
        return -(-self.num_images // self.batch_size)

    @property
    def end_step(self) -> int:
        """Number of steps done when this stage is over."""
        return self.first_step + self.num_steps

    def steps_of(self, num_images: int) -> int:
        """Returns how many batches come next to a number of images, at least one."""
        return max(1, round(num_images / self.batch_size))

    @property
    def transition(self) -> bool:
        """Whether the newest block is fading in."""
        return self.phase == "transition"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The stages of a run in order (Karras et al. 2018, section 2 and appendix A)."""

    stages: tuple[Stage, ...]

    @classmethod
    def build(
        cls,
        resolutions: Sequence[int],
        *,
        transition_images: int | Mapping[int, int],
        stable_images: int | Mapping[int, int],
        batch_size: int | Mapping[int, int],
    ) -> Schedule:
        """Lays out stable, then (transition, stable) for every further resolution.

        Args:
            resolutions: Increasing powers of two, in pixels.
            transition_images: Real images per transition: one number or one per
                resolution. A phase of no images is left out.
            stable_images: The same for the stable phases.
            batch_size: The same for the global batch size.

        Raises:
            ValueError: No phase has an image.
        """
        stages: list[Stage] = []
        for index, resolution in enumerate(resolutions):
            phases: list[tuple[Phase, int]] = [
                ("stable", at_resolution(stable_images, resolution))
            ]
            if index:
                num_images = at_resolution(transition_images, resolution)
                phases.insert(0, ("transition", num_images))
            for phase, num_images in phases:
                if num_images:
                    stages.append(
                        Stage(
                            resolution=resolution,
                            phase=phase,
                            batch_size=at_resolution(batch_size, resolution),
                            num_images=num_images,
                            first_step=stages[-1].end_step if stages else 0,
                        )
                    )
        if not stages:
            raise ValueError(
                "`transition_images` and `stable_images` leave nothing to train. "
                f"Received: {transition_images} and {stable_images}"
            )
        return cls(tuple(stages))

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].end_step

    @property
    def num_images(self) -> int:
        """Real images that the whole run shows."""
        return self.images_before(self.num_steps)

    def images_before(self, step: int) -> int:
        """Returns how many real images the first `step` steps show."""
        return sum(
            stage.batch_size * min(max(step - stage.first_step, 0), stage.num_steps)
            for stage in self.stages
        )


def alpha_at(stage: Stage, step: int) -> float:
    """Returns the weight of the newest block at a step of `stage`: 0 is old, 1 is new.

    The weight grows linearly with the images shown before the step, as in the original.
    """
    if not stage.transition:
        return 1.0
    return min(1.0, (step - stage.first_step) * stage.batch_size / stage.num_images)


def at_resolution(value: _N | Mapping[int, _N], resolution: int) -> _N:
    """Returns a setting that is one number, or one per resolution."""
    return value[resolution] if isinstance(value, Mapping) else value
