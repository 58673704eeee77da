"""What a GPU does: the networks at full width through Keras' JAX backend.

    KERAS_BACKEND=jax python benchmarks/jax_gpu.py [--batch-size 8]

Needs jax, keras and numpy, and no TensorFlow: the layers and networks are the
project's, the training step (one generator pass, all patch sets in one
call of the discriminator, logistic loss with R1 in every 16th step, Adam) is written
here once more: this measures the arithmetic, not `fit`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import harness
import jax
import jax.numpy as jnp

from gastritis_gan.models.network_size import discriminator_flops, generator_flops
from gastritis_gan.models.pggan import ProgressiveDiscriminator, ProgressiveGenerator

FMAP_BASE, FMAP_MAX, LATENT_DIM = 8192, 512, 512
R1_INTERVAL_STEPS, R1_UNITS = 16, 7
TURNS, STEPS_PER_TURN = 3, 20
# Pixels, policy, precision of products, patch sets (2: Eq. 2; 4: Eq. 5).
CASES = (
    (256, "float32", "tensorfloat32", 4),
    (256, "float32", "tensorfloat32", 2),
    (64, "float32", "tensorfloat32", 2),
    (16, "float32", "tensorfloat32", 2),
    (256, "mixed_bfloat16", "default", 2),
)

QUICK = ((4, "float32", "default", 4),)

Arrays = list[Any]


def adam(values: Arrays, gradients: Arrays, squares: Arrays) -> tuple[Arrays, Arrays]:
    """Returns values and second moments after a step; beta1 is 0."""
    squares = [0.99 * s + 0.01 * g * g for s, g in zip(squares, gradients, strict=True)]
    steps = [g / (jnp.sqrt(s) + 1e-8) for g, s in zip(gradients, squares, strict=True)]
    return [v - 1e-3 * s for v, s in zip(values, steps, strict=True)], squares


def seconds_of(function: Callable[[], Any]) -> float:
    """Returns the median seconds of a call, once it is compiled."""
    jax.block_until_ready(function())
    found = []
    for _ in range(TURNS):
        start = time.perf_counter()
        for _ in range(STEPS_PER_TURN):
            result = function()
        jax.block_until_ready(result)
        found.append((time.perf_counter() - start) / STEPS_PER_TURN)
    return statistics.median(found)


def measure(
    resolution: int, policy: str, num_sets: int, batch_size: int
) -> tuple[float, float]:
    """Returns the seconds of a step without R1, and what R1 adds to it."""
    width: Any = {"fmap_base": FMAP_BASE, "fmap_max": FMAP_MAX, "dtype": policy}
    generator = ProgressiveGenerator(resolution, latent_dim=LATENT_DIM, **width)
    discriminator = ProgressiveDiscriminator(resolution, fused_scale=False, **width)

    def generate(values: Arrays, latents: Any) -> Any:
        return generator.stateless_call(values, [], latents)[0]

    def score(values: Arrays, images: Any, sets: int = 1) -> Any:
        return discriminator.stateless_call(values, [], images, num_sets=sets)[0]

    def d_loss(values: Arrays, real: Any, fake: Any) -> Any:
        others = [jnp.roll(real, shift, 0) for shift in range(1, num_sets - 1)]
        images = jnp.concatenate([real, fake, *others])
        real_scores, *rest = jnp.split(score(values, images, num_sets), num_sets)
        loss = jax.nn.softplus(-real_scores).mean()
        return loss + sum(jax.nn.softplus(scores).mean() for scores in rest)

    @jax.jit
    def step(state: tuple[Arrays, ...], real: Any, key: Any) -> tuple[Arrays, ...]:
        g_values, d_values, g_squares, d_squares = state
        latents = jax.random.normal(key, (batch_size, LATENT_DIM))
        fake, backward = jax.vjp(lambda values: generate(values, latents), g_values)
        gradients = jax.grad(d_loss)(d_values, real, jax.lax.stop_gradient(fake))
        d_values, d_squares = adam(d_values, gradients, d_squares)
        upstream = jax.grad(
            lambda images: jax.nn.softplus(-score(d_values, images)).mean()
        )(fake)
        g_values, g_squares = adam(g_values, backward(upstream)[0], g_squares)
        return g_values, d_values, g_squares, d_squares

    @jax.jit
    def r1(values: Arrays, real: Any) -> Arrays:
        def penalty(values: Arrays) -> Any:
            gradients = jax.grad(lambda images: score(values, images).sum())(real)
            return (gradients**2).sum((1, 2, 3)).mean()

        gradients: Arrays = jax.grad(penalty)(values)
        return gradients

    shape = (batch_size, resolution, resolution, 1)
    real = jax.random.uniform(jax.random.key(0), shape, minval=-1, maxval=1)
    values = [
        [v.value for v in n.trainable_variables] for n in (generator, discriminator)
    ]
    squares = [[jnp.zeros_like(array) for array in arrays] for arrays in values]
    state = (*values, *squares)
    key = jax.random.key(1)
    return (
        seconds_of(lambda: step(state, real, key)),
        seconds_of(lambda: r1(state[1], real)),
    )


def flops_per_image(resolution: int, num_sets: int) -> float:
    """Returns the operations of a step, unfused, per image of a set."""
    width = {"fmap_base": FMAP_BASE, "fmap_max": FMAP_MAX}
    d_units = 3 * num_sets + 2 + R1_UNITS / R1_INTERVAL_STEPS
    d_flops = discriminator_flops(resolution, **width)
    return d_units * d_flops + 4 * generator_flops(
        resolution, latent_dim=LATENT_DIM, **width
    )


def main() -> None:
    """Writes a Markdown table."""
    parser = harness.make_parser(__doc__)
    parser.add_argument("--batch-size", type=int, default=8, help="Images per set.")
    options = parser.parse_args()
    batch_size = 2 if options.quick else options.batch_size
    harness.write_machine(
        device=jax.devices()[0].device_kind, jax=jax.__version__, batch=batch_size
    )
    harness.write_header(
        "px", "sets", "policy", "products", "step, ms", "R1, ms", "images/s", "TFLOP/s"
    )
    for resolution, policy, precision, num_sets in QUICK if options.quick else CASES:
        with jax.default_matmul_precision(precision):
            step, r1 = measure(resolution, policy, num_sets, batch_size)
        rate = batch_size / (step + r1 / R1_INTERVAL_STEPS)
        work = rate * flops_per_image(resolution, num_sets)
        harness.write_row(
            resolution,
            num_sets,
            policy,
            precision,
            f"{1e3 * step:.1f}",
            f"{1e3 * r1:.1f}",
            f"{rate:.0f}",
            f"{work / 1e12:.3g}",
        )


if __name__ == "__main__":
    main()
