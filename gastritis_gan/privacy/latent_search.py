"""Attack on the exported generator: can it make a given patch?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.exposure import fisher_transform
from gastritis_gan.privacy.subjects import Correlate, Generate
from gastritis_gan.rng import stream
from gastritis_gan.storage import kept_rows

_NUM_STARTS = 256  # random latents; each target starts from the best of them
_BATCH = 16  # targets
_LEARNING_RATE = 0.05
_DECAY_1, _DECAY_2 = 0.9, 0.999  # Adam's defaults
_EPSILON = 1e-8
_MIN_SQUARED_NORM = 1e-6  # of an image without its mean


def search_latents(
    correlate: Correlate,
    generate: Generate,
    targets: NDArray[np.float32],
    *,
    latent_dim: int,
    num_steps: int,
    seed: int,
    folder: Path,
) -> NDArray[np.float64]:
    """Searches for the latents whose image correlates best with each target.

    Adam climbs from the best of 256 random latents.

    Args:
        correlate: Correlations and their gradients.
        generate: Images `(n, r, r)` of latents `(n, latent_dim)`.
        targets: Real patches, float32 of shape (n, r, r).
        latent_dim: Length of a latent.
        num_steps: Of Adam.
        seed: Of the random latents.
        folder: Keeps what has been found, in one file per 16 targets.

    Returns:
        Shape `(n,)`: Fisher-transformed best correlations.
    """
    pool = stream(seed, "privacy.latents").standard_normal(
        (_NUM_STARTS, latent_dim), dtype=np.float32
    )
    images = np.concatenate(
        [generate(pool[i : i + _BATCH]) for i in range(0, len(pool), _BATCH)]
    )
    start = pool[(_unit(targets) @ _unit(images).T).argmax(axis=1)]
    best = kept_rows(
        folder,
        len(targets),
        lambda part: _climb(correlate, start[part], targets[part], num_steps),
        rows_per_file=_BATCH,
        description="audit, latents",
    )
    return fisher_transform(best)


def _unit(images: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norm: NDArray[np.float32] = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(norm, _EPSILON))


def _climb(
    correlate: Correlate,
    latents: NDArray[np.float32],
    targets: NDArray[np.float32],
    num_steps: int,
) -> NDArray[np.float32]:
    """Returns the highest correlation on the way."""
    best = np.full(len(targets), -1, np.float32)
    mean = np.zeros_like(latents)
    square = np.zeros_like(latents)
    for step in range(1, num_steps + 1):
        correlation, gradient = correlate(latents, targets)
        best = np.maximum(best, correlation)
        mean = _DECAY_1 * mean + (1 - _DECAY_1) * gradient
        square = _DECAY_2 * square + (1 - _DECAY_2) * gradient**2
        update = mean / (1 - _DECAY_1**step)
        update /= np.sqrt(square / (1 - _DECAY_2**step)) + _EPSILON
        latents = latents + np.float32(_LEARNING_RATE) * update
    return best


def open_gradient(
    load: Callable[[], Any],
) -> tuple[Correlate, Generate]:
    """Opens an exported generator as an attacker does, who has its weights.

    The signature `serving_default` maps float latents to float images without rounding,
    and TensorFlow differentiates a restored signature.

    Args:
        load: `ExportedModel.load` of the generator.

    Returns:
        `correlate` and `generate`.
    """
    import tensorflow as tf

    loaded = load()

    def images_of(latents: Any) -> Any:  # keeps `loaded`, which owns the weights
        return loaded.signatures["serving_default"](latents=latents)["images"][..., 0]

    def unit(images: Any) -> Any:
        centered = images - tf.reduce_mean(images, axis=(1, 2), keepdims=True)
        square = tf.reduce_sum(centered**2, axis=(1, 2), keepdims=True)
        return centered * tf.math.rsqrt(square + _MIN_SQUARED_NORM)

    def correlate(
        latents: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        latents_tensor = tf.constant(latents)
        with tf.GradientTape() as tape:
            tape.watch(latents_tensor)
            product = tf.reduce_sum(
                unit(images_of(latents_tensor)) * unit(tf.constant(targets)),
                axis=(1, 2),
            )
        return np.asarray(product), np.asarray(tape.gradient(product, latents_tensor))

    def generate(latents: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(images_of(tf.constant(latents)))

    return correlate, generate
