"""Trains two mirrored replicas on a batch whose last patch is bad.

A process of its own: logical devices must be set before TensorFlow starts.
"""

import numpy as np
import tensorflow as tf

from gastritis_gan.models.network import get_weights_by_name
from gastritis_gan.training.plan import schedule_of
from gastritis_gan.training.stage_model import build_stage_model
from gastritis_gan.training.state import NETWORKS
from tests.training.tiny import CONFIG


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
    stage = schedule_of(CONFIG, "pggan").stages[0]
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = build_stage_model(CONFIG, stage, None, model="pggan")
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
