"""The training step of `gastritis-gan fit`, and samples from Keras and a SavedModel."""

import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the library does

import tensorflow as tf
from protocol import serve

NUM_BATCHES = 8
R1_INTERVAL_STEPS = 2  # both kinds of steps are timed; the parent weights them


def stage_spec(case):
    """Returns the specification of the stage of a case."""
    from gastritis_gan.config import config_from_dict
    from gastritis_gan.training.recipe import make_recipe

    networks = {
        key: case[key] for key in ("latent_dim", "fmap_base", "fmap_max", "fused_scale")
    }
    config = config_from_dict(
        {
            "networks": networks,
            "patches": {"patch_size": 1024},
            "schedule": {
                "final_resolution": case["resolution"],
                "transition_images": 10**9,  # a long stage, as a user's
                "stable_images": 10**9,
                "batch_size": case["batch_size"],
            },
            "objective": {
                "adversarial_loss": case["loss"],
                "r1_weight": 0.0 if case["loss"] == "wgan_gp" else "auto",
                "r1_interval_steps": R1_INTERVAL_STEPS,
            },
        }
    )
    *_, spec = (
        spec
        for spec in make_recipe("pggan", config.training_sections).stages
        if spec.stage.transition == case["transition"]
    )
    return dataclasses.replace(
        spec, stage=dataclasses.replace(spec.stage, first_step=0)
    )


def build_training(case):
    """Returns the training steps of a case."""
    from gastritis_gan.training.gan_step import build_gan

    tf.config.experimental.enable_op_determinism()
    resolution, size = case["resolution"], case["batch_size"]
    spec = stage_spec(case)
    has_r1_steps = spec.r1_weight > 0
    model = build_gan(spec)
    shape = (NUM_BATCHES * size, resolution, resolution, 1)
    images = tf.random.stateless_uniform(shape, (0, 1), -1, 1)
    batches = tf.data.Dataset.from_tensor_slices((images,)).batch(size).repeat()
    iterator = iter(batches.prefetch(2))
    if has_r1_steps:
        model.steps_per_execution = 1  # both kinds are timed
    model.make_train_function()
    train = model.train_function
    number = 0

    def do_steps():
        nonlocal number
        has_r1 = number % R1_INTERVAL_STEPS == 0
        number += 1
        logs = train(iterator)
        float(logs["d_loss"])  # until it is done, as a callback does
        if not has_r1_steps:
            return "step"
        return "step with R1" if has_r1 else "step without R1"

    return do_steps, model.steps_per_execution


def build_sampling(case):
    """Returns the making of a batch by Keras, or by the case's SavedModel."""
    shape = (case["batch_size"], case["latent_dim"])
    latents = tf.random.stateless_normal(shape, (0, 0))
    if case["what"] == "SavedModel":
        model = tf.saved_model.load(case["saved_model"])
        signature = model.signatures["serving_default"]

        def sample():
            signature(latents=latents)["images"].numpy()
            return "sample"

        sample.model = model  # owns the weights
        return sample, 1

    from gastritis_gan.models.pggan import ProgressiveGenerator

    generator = ProgressiveGenerator(
        case["resolution"],
        **{key: case[key] for key in ("latent_dim", "fmap_base", "fmap_max")},
    )
    generate = tf.function(generator)

    def sample():
        generate(latents).numpy()
        return "sample"

    return sample, 1


def build(case):
    """Returns the step of a case; see `protocol.serve`."""
    return (build_training if case["what"] == "training" else build_sampling)(case)


if __name__ == "__main__":
    serve(build)
