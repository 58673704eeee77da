"""Trains one stage on one device, then on two mirrored replicas; prints the difference.

A process of its own: logical devices must be set before TensorFlow starts.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from gastritis_gan.data.dataset import make_dataset
from gastritis_gan.training.run import schedule_of
from gastritis_gan.training.stage_model import build_stage_model, capture_state
from tests.training.fake_store import FakeStore
from tests.training.tiny import CONFIG

NUM_STEPS = 10


def train(strategy, stage, config):
    store = FakeStore()
    pools = [store.patch_set(n, "train") for n in ("positive", "negative", "outside")]
    with strategy.scope():
        model = build_stage_model(config, stage, None, conditional=True)
    dataset = make_dataset(
        store,
        pools,
        resolution=stage.resolution,
        batch_size=stage.batch_size,
        seed=3,
        first_step=0,
        num_steps=NUM_STEPS,
    )
    logs = model.fit(dataset, verbose=0, shuffle=False).history
    weights = capture_state(model, NUM_STEPS).weights
    arrays = [w[name].ravel() for w in weights.values() for name in sorted(w)]
    return np.concatenate([*arrays, logs["d_loss"], logs["g_loss"]])


def main():
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    # The group of a minibatch deviation lies inside a replica: groups of one are equal.
    networks = dataclasses.replace(CONFIG.networks, mbstd_group_size=1)
    config = dataclasses.replace(CONFIG, networks=networks)
    stage = schedule_of(config).stages[-1]
    one = train(tf.distribute.get_strategy(), stage, config)
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    two = train(mirrored, stage, config)
    print("largest difference", np.abs(one - two).max())  # noqa: T201


if __name__ == "__main__":
    main()
