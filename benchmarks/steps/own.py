"""The training step of `gastritis-gan fit`."""

import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the command line does

import tensorflow as tf
from protocol import serve

from gastritis_gan.config import config_from_dict
from gastritis_gan.training.gan_step import build_gan
from gastritis_gan.training.recipe import make_recipe

NUM_BATCHES = 8
R1_INTERVAL_STEPS = 2  # both kinds of steps are timed; the parent weights them


def experiment(case):
    """Returns the training sections of a case."""
    networks = {
        key: case[key] for key in ("latent_dim", "fmap_base", "fmap_max", "fused_scale")
    }
    return config_from_dict(
        {
            "networks": networks,
            "patches": {"patch_size": 1024},
            "schedule": {
                "final_resolution": case["resolution"],
                "batch_size": case["batch_size"],
            },
            "objective": {
                "adversarial_loss": case["loss"],
                "r1_weight": 0.0 if case["loss"] == "wgan_gp" else "auto",
                "r1_interval_steps": R1_INTERVAL_STEPS,
            },
        }
    ).training_sections


def build(case):
    """Returns the steps of a case; see `protocol.serve`."""
    tf.config.experimental.enable_op_determinism()
    resolution, size = case["resolution"], case["batch_size"]
    phase = "transition" if case["transition"] else "stable"
    recipe = make_recipe("pggan", experiment(case))
    (spec,) = [
        spec
        for spec in recipe.stages
        if (spec.stage.resolution, spec.stage.phase) == (resolution, phase)
    ]
    stage = dataclasses.replace(spec.stage, num_images=10**9, first_step=0)
    model = build_gan(dataclasses.replace(spec, stage=stage))
    shape = (NUM_BATCHES * size, resolution, resolution, 1)
    images = tf.random.stateless_uniform(shape, (0, 1), -1, 1)
    batches = tf.data.Dataset.from_tensor_slices((images,)).batch(size).repeat()
    iterator = iter(batches.prefetch(2))
    if model.objective.uses_r1:
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
        if not model.objective.uses_r1:
            return "step"
        return "step with R1" if has_r1 else "step without R1"

    return do_steps, model.steps_per_execution


if __name__ == "__main__":
    serve(build)
