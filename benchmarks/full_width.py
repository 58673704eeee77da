"""Two training steps of the paper's networks: seconds per step and peak memory.

    python benchmarks/full_width.py [--batch-size 8] [--fused-scale]

Networks of 256 pixels, 512 feature maps and 23 million parameters each, with the
loss-conditional objective (paper, Eq. 5) on random images.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import time
from typing import Any

import keras
import tensorflow as tf

from gastritis_gan import losses
from gastritis_gan.models.progressive_discriminator import ProgressiveDiscriminator
from gastritis_gan.models.progressive_generator import ProgressiveGenerator

RESOLUTION = 256
LATENT_DIM = 512
FMAP_BASE, FMAP_MAX = 8192, 512
LC_WEIGHT = 0.5
NUM_STEPS = 2
_KIB_PER_GIB = 1024**2


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What the benchmark found.

    Attributes:
        num_parameters: Of generator and discriminator.
        step_seconds: Of every step; the first includes building the graph.
        peak_gib: Largest resident memory of the process, in GiB.
        losses: Discriminator and generator loss of every step.
    """

    num_parameters: tuple[int, int]
    step_seconds: list[float]
    peak_gib: float
    losses: list[tuple[float, float]]


def measure(*, batch_size: int, fused_scale: bool) -> Measurement:
    """Runs the steps.

    Args:
        batch_size: Images per set; the paper's is 8 at this resolution.
        fused_scale: See `ProgressiveDiscriminator`.
    """
    generator = ProgressiveGenerator(
        RESOLUTION,
        latent_dim=LATENT_DIM,
        fmap_base=FMAP_BASE,
        fmap_max=FMAP_MAX,
        fused_scale=fused_scale,
    )
    discriminator = ProgressiveDiscriminator(
        RESOLUTION, fmap_base=FMAP_BASE, fmap_max=FMAP_MAX, fused_scale=fused_scale
    )
    train_step = _make_train_step(generator, discriminator, batch_size)
    seconds, values = [], []
    for step in range(NUM_STEPS):
        start = time.perf_counter()
        d_loss, g_loss = train_step(tf.constant(step))
        values.append((float(d_loss), float(g_loss)))
        seconds.append(time.perf_counter() - start)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measurement(
        num_parameters=(generator.count_params(), discriminator.count_params()),
        step_seconds=seconds,
        peak_gib=peak_kib / _KIB_PER_GIB,
        losses=values,
    )


def _make_train_step(
    generator: keras.Model, discriminator: keras.Model, batch_size: int
) -> Any:
    d_weights = discriminator.trainable_variables
    g_weights = generator.trainable_variables
    d_optimizer, g_optimizer = _adam(d_weights), _adam(g_weights)

    @tf.function
    def train_step(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def draw(stream: int, *shape: int) -> tf.Tensor:
            shape = (batch_size, *shape)
            return tf.random.stateless_normal(shape, seed=(stream, step))

        real, negatives, outside = (
            draw(stream, RESOLUTION, RESOLUTION, 1) for stream in range(3)
        )
        fake = generator(draw(3, LATENT_DIM))
        with tf.GradientTape() as tape:
            d_loss = losses.logistic_discriminator_loss(
                discriminator(real), discriminator(fake)
            )
            d_loss += LC_WEIGHT * losses.loss_conditional_term(
                discriminator(negatives), discriminator(outside)
            )
        d_optimizer.apply(tape.gradient(d_loss, d_weights), d_weights)
        with tf.GradientTape() as tape:
            fake_scores = discriminator(generator(draw(4, LATENT_DIM)))
            g_loss = losses.non_saturating_generator_loss(fake_scores)
        g_optimizer.apply(tape.gradient(g_loss, g_weights), g_weights)
        return d_loss, g_loss

    return train_step


def _adam(weights: list[keras.Variable]) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(0.001, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
    optimizer.build(weights)
    return optimizer


def to_markdown(measurement: Measurement, *, batch_size: int, fused_scale: bool) -> str:
    """Returns a table of one row."""
    generator, discriminator = measurement.num_parameters
    first, second = measurement.step_seconds
    return (
        "| batch | fused scale | parameters G | parameters D | first step, s "
        "| second step, s | peak memory, GiB |\n"
        "|--|--|--|--|--|--|--|\n"
        f"| {batch_size} | {'yes' if fused_scale else 'no'} | {generator:,} "
        f"| {discriminator:,} | {first:.0f} | {second:.0f} "
        f"| {measurement.peak_gib:.1f} |"
    )


def main() -> None:
    """Prints the table for the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=8, help="images (default 8)")
    parser.add_argument("--fused-scale", action="store_true")
    options = vars(parser.parse_args())
    print(to_markdown(measure(**options), **options))  # noqa: T201


if __name__ == "__main__":
    main()
