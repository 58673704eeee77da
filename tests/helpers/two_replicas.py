"""Trains one stage on one device, then on two mirrored replicas; prints the difference.

A process of its own: logical devices must be set before TensorFlow starts.
"""

import functools

import numpy as np
import tensorflow as tf

from gastritis_gan.training.distribution import Distribution
from gastritis_gan.training.fit import Task
from gastritis_gan.training.gan_step import build_gan, capture_state
from gastritis_gan.training.recipe import make_recipe
from tests.helpers.tiny_run import FakeStore, sections_of

NUM_STEPS = 50


def train(distribution, task):
    spec = task.recipe.stages[-1]
    with distribution.strategy.scope():
        model = build_gan(spec)
    logs = model.fit(
        distribution.dataset(
            functools.partial(task.dataset, spec, spec.stage.first_step),
            spec.stage.batch_size,
        ),
        steps_per_epoch=NUM_STEPS,
        verbose=0,
        shuffle=False,
    ).history
    weights = capture_state(model, NUM_STEPS).weights
    arrays = [w[name].ravel() for w in weights.values() for name in sorted(w)]
    return np.concatenate([*arrays, logs["d_loss"], logs["g_loss"]])


def main():
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    sections = sections_of(
        schedule={"stable_images": 4 * NUM_STEPS},
        # The group of a minibatch standard deviation lies inside a replica: groups of
        # one are equal.
        networks={"mbstd_group_size": 1},
    )
    recipe = make_recipe("lc_pggan", sections)
    task = Task(recipe, FakeStore(), target="positive", settings=sections.training)
    one = train(Distribution("one_device"), task)
    two = train(Distribution("mirrored"), task)
    print("largest difference", np.abs(one - two).max())  # noqa: T201


if __name__ == "__main__":
    main()
