"""Batches of images from a generator with random weights, as Keras computes them."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command line does

import tensorflow as tf
from protocol import serve

from gastritis_gan.models.pggan import ProgressiveGenerator


def build(case):
    """Returns the step of a case; see `protocol.serve`."""
    generator = ProgressiveGenerator(
        case["resolution"],
        **{key: case[key] for key in ("latent_dim", "fmap_base", "fmap_max")},
    )
    generate = tf.function(generator)
    latents = tf.random.stateless_normal(
        (case["batch_size"], case["latent_dim"]), (0, 0)
    )

    def sample():
        generate(latents).numpy()
        return "sample"

    return sample, 1


if __name__ == "__main__":
    serve(build)
