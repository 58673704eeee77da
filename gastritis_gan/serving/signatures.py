"""What an exported generator answers: TensorFlow functions of seeds and latents.

The functions become the signatures of a SavedModel. Every input and output has a
leading batch dimension and row i depends on row i alone, so a server may merge and
split requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from gastritis_gan.serving.synthetic_mark import HEAD_BYTES

# Second word of the random seed: what the numbers are for.
_LATENT_STREAM = 0
_REFERENCE_STREAM = 1

TRUNCATION_DEFINITION = (
    "latents = truncation * normals(seed) + (1 - truncation) * reference, where "
    "reference is one fixed vector of standard normals; clamped to [0, 1], NaN counts "
    "as 1. 1 leaves the latents of the training distribution as they are, 0 gives the "
    "same image for every seed."
)


class Signature(NamedTuple):
    """A function that returns named outputs, and the inputs that it takes."""

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: list[tf.TensorSpec]


def make_signatures(generator: Any, png_chunk: bytes) -> dict[str, Signature]:
    """Returns the signatures of an exported generator by name.

    Args:
        generator: A built Keras model from latents `(batch, latent_dim)` to images
            `(batch, r, r, 1)`, nominally in [-1, 1], with the attribute `latent_dim`.
        png_chunk: Of `synthetic_mark.synthetic_chunk`, which every PNG gets.
    """

    def serving_default(latents: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": tf.cast(generator(latents), tf.float32)}

    def images_of(seeds: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        latents = latents_from_seeds(seeds, truncation, latent_dim=generator.latent_dim)
        return to_uint8(serving_default(latents)["images"])  # [N, r, r, 1]

    def generate(seeds: tf.Tensor, truncation: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": images_of(seeds, truncation)}

    def generate_png(seeds: tf.Tensor, truncation: tf.Tensor) -> dict[str, tf.Tensor]:
        png = tf.io.encode_png(images_of(seeds, truncation))  # [N]
        # allow_list.py lets texts be joined in exactly this shape.
        head = tf.strings.substr(png, 0, HEAD_BYTES)
        rest = tf.strings.substr(png, HEAD_BYTES, -1)  # to the end
        # The server's JSON writes base64 only for names that end in `_bytes`.
        return {"png_bytes": tf.strings.join([head, tf.constant(png_chunk), rest])}

    latents = tf.TensorSpec([None, generator.latent_dim], tf.float32, name="latents")
    seeds = tf.TensorSpec([None], tf.int64, name="seeds")
    truncation = tf.TensorSpec([None], tf.float32, name="truncation")
    return {
        "serving_default": Signature(serving_default, [latents]),
        "generate": Signature(generate, [seeds, truncation]),
        "generate_png": Signature(generate_png, [seeds, truncation]),
    }


def latents_from_seeds(
    seeds: tf.Tensor, truncation: tf.Tensor, *, latent_dim: int
) -> tf.Tensor:
    """Draws one latent vector per seed; the same seed gives the same vector everywhere.

    PGGAN normalises its latents, so only their direction counts, and it is uniform on a
    sphere. Hence the usual truncations of normals do nothing useful here: scaling
    changes no image, and clipping keeps all signs, so the latents stay as far apart as
    before. Here truncation is what it is in StyleGAN, a pull towards one point: the
    direction moves on the sphere towards that of a fixed reference. Every image stays
    one that the generator was trained to make, and variety falls with the truncation.
    Do not expect better images: no direction of the sphere is more typical than others.

    Args:
        seeds: int64 `(batch,)`, any values.
        truncation: float32 `(batch,)`; see `TRUNCATION_DEFINITION`. No value is
            refused: in a server an error would also fail the requests that share the
            batch.
        latent_dim: Length of a latent vector.

    Returns:
        float32 `(batch, latent_dim)`.
    """
    latents = tf.map_fn(
        lambda seed: _normals(seed, _LATENT_STREAM, latent_dim),
        seeds,
        fn_output_signature=tf.TensorSpec([latent_dim], tf.float32),
    )
    reference = _normals(tf.constant(0, tf.int64), _REFERENCE_STREAM, latent_dim)
    finite = tf.where(tf.math.is_nan(truncation), 1.0, truncation)
    psi = tf.clip_by_value(finite, 0.0, 1.0)[:, None]  # [N, 1]
    return psi * latents + (1.0 - psi) * reference


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Maps float images from [-1, 1] to the grey levels 0 to 255; beyond is clipped."""
    levels = tf.round((images + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def _normals(seed: tf.Tensor, stream: int, latent_dim: int) -> tf.Tensor:
    """Returns `latent_dim` standard normals, a pure function of `(seed, stream)`."""
    pair = tf.stack([seed, tf.constant(stream, tf.int64)])
    return tf.random.stateless_normal([latent_dim], pair, alg="philox")
