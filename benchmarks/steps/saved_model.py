"""Batches of images from the same generator, exported and loaded again."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command line does

import tensorflow as tf
from protocol import serve


def build(case):
    """Returns the step of a case; see `protocol.serve`."""
    model = tf.saved_model.load(case["saved_model"])
    generate = model.signatures["serving_default"]
    latents = tf.random.stateless_normal(
        (case["batch_size"], case["latent_dim"]), (0, 0)
    )

    def sample():
        generate(latents=latents)["images"].numpy()
        return "sample"

    sample.model = model  # owns the weights
    return sample, 1


if __name__ == "__main__":
    serve(build)
