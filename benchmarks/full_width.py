"""Two training steps of the paper's LC-PGGAN at 256 pixels: seconds and memory.

    python benchmarks/full_width.py [--config configs/paper.yaml] [--batch-size 8]

The networks, the objective (Eq. 5 with R1) and the training step are those of
`gastritis-gan fit` in the last stage; the images are random.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import time
from pathlib import Path

import tensorflow as tf

from gastritis_gan.config import load_config
from gastritis_gan.training.gan_step import build_gan
from gastritis_gan.training.recipe import make_recipe

NUM_STEPS = 2
_KIB_PER_GIB = 1024**2
_PAPER = Path(__file__).parents[1] / "configs" / "paper.yaml"


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What the benchmark found.

    Attributes:
        resolution: Side of the images in pixels.
        batch_size: Images per set and step.
        num_parameters: Of generator and discriminator.
        step_seconds: Of every step; the first includes building the graph and R1.
        peak_gib: Largest resident memory of the process, in GiB.
        losses: Discriminator and generator loss, as means up to every step.
    """

    resolution: int
    batch_size: int
    num_parameters: tuple[int, int]
    step_seconds: list[float]
    peak_gib: float
    losses: list[tuple[float, float]]


def measure(
    config_path: Path = _PAPER, *, batch_size: int | None = None
) -> Measurement:
    """Runs the steps.

    Args:
        config_path: The experiment.
        batch_size: Images per set; None takes the config's.
    """
    sections = load_config(config_path).training_sections
    spec = make_recipe("lc_pggan", sections).stages[-1]
    if batch_size is not None:
        stage = dataclasses.replace(spec.stage, batch_size=batch_size)
        spec = dataclasses.replace(spec, stage=stage)
    stage = spec.stage
    model = build_gan(spec)
    train_step = tf.function(model.train_step)
    shape = (stage.batch_size, stage.resolution, stage.resolution, 1)
    seconds, values = [], []
    for step in range(NUM_STEPS):
        images = tuple(
            tf.random.stateless_normal(shape, seed=(patch_set, step))
            for patch_set in range(3)  # real, negatives, outside
        )
        start = time.perf_counter()
        logs = train_step(images)
        values.append((float(logs["d_loss"]), float(logs["g_loss"])))
        seconds.append(time.perf_counter() - start)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measurement(
        resolution=stage.resolution,
        batch_size=stage.batch_size,
        num_parameters=(
            model.generator.count_params(),
            model.discriminator.count_params(),
        ),
        step_seconds=seconds,
        peak_gib=peak_kib / _KIB_PER_GIB,
        losses=values,
    )


def to_markdown(measurement: Measurement) -> str:
    """Returns a table of one row."""
    generator, discriminator = measurement.num_parameters
    first, second = measurement.step_seconds
    return (
        "| pixels | batch | parameters G | parameters D | first step, s "
        "| second step, s | peak memory, GiB |\n"
        "|--|--|--|--|--|--|--|\n"
        f"| {measurement.resolution} | {measurement.batch_size} | {generator:,} "
        f"| {discriminator:,} | {first:.0f} | {second:.0f} "
        f"| {measurement.peak_gib:.1f} |"
    )


def main() -> None:
    """Prints the table for the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=_PAPER, help="experiment file")
    parser.add_argument("--batch-size", type=int, help="images (default: the config's)")
    options = parser.parse_args()
    measurement = measure(options.config, batch_size=options.batch_size)
    print(to_markdown(measurement))  # noqa: T201


if __name__ == "__main__":
    main()
