"""Trains two mirrored replicas on a batch whose last patch is bad.

A process of its own: logical devices must be set before TensorFlow starts.
"""

import numpy as np
import tensorflow as tf

from gastritis_gan.models.network import get_weights_by_name
from gastritis_gan.training.checkpoint import NETWORKS
from gastritis_gan.training.gan_step import build_gan
from tests.helpers.tiny_run import stages_of


def weights_of(model):
    return [
        array
        for network in NETWORKS
        for array in get_weights_by_name(getattr(model, network)).values()
    ]


def main():
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = build_gan(stages_of()[0])
    before = weights_of(model)
    images = np.zeros((4, 4, 4, 1), "float32")
    images[3] = np.nan
    dataset = tf.data.Dataset.from_tensors((tf.constant(images),))
    logs = model.fit(dataset, verbose=0, shuffle=False).history
    after = weights_of(model)
    changes = sum(np.any(a != b) for a, b in zip(before, after, strict=True))
    print(  # noqa: T201
        f"{changes} weights changed, {logs['skipped_steps'][0]} skipped, "
        f"{int(model.consecutive_skips.numpy())} in a row"
    )


if __name__ == "__main__":
    main()
