"""Trains tiny runs in one process, one after the other; prints a hash of each.

A process of its own: logical devices must be set before TensorFlow starts. Arguments:
a folder for the runs, then one word per run: `mirrored` or `one`, `wide` or `narrow`.
"""

import hashlib
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework import config

from gastritis_gan.training.fit import fit
from tests.helpers.tiny_run import FakeStore, sections_of


def main():
    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    for number, word in enumerate(sys.argv[2:]):
        devices, width = word.split("-")
        sections = sections_of(
            # A group whose standard deviation is computed lies inside a replica.
            networks={"mbstd_group_size": 2, "fmap_max": 8 if width == "wide" else 4},
            training={
                "distribution": "mirrored" if devices == "mirrored" else "one_device"
            },
        )
        run = fit(
            sections,
            FakeStore(),
            model="lc_pggan",
            target="positive",
            out=Path(sys.argv[1]) / str(number),
        )
        assert not config.is_op_determinism_enabled()
        (path,) = (run.path / "checkpoints").glob("step_0000000011.npz")
        print(hashlib.sha256(path.read_bytes()).hexdigest())  # noqa: T201


if __name__ == "__main__":
    main()
