"""Trains the tiny experiment as one worker of the cluster in `TF_CONFIG`.

A process of its own. Arguments: the run folder, where to write the final weights, and
optionally after which step to die by SIGKILL.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from gastritis_gan.training import fit as training
from gastritis_gan.training.callbacks import Watch
from tests.helpers.tiny_run import FakeStore, sections_of

# The group of a minibatch standard deviation lies inside a replica: groups of one are
# equal. With seed 3 an input of a leaky ReLU is so near 0 that rounding decides on its
# slope.
SECTIONS = sections_of(networks={"mbstd_group_size": 1}, training={"seed": 4})


def main():
    run_dir, weights_path = Path(sys.argv[1]), Path(sys.argv[2])
    death = int(sys.argv[3]) if len(sys.argv) > 3 else None
    original = Watch.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        original(self, batch, logs)
        if self.model.num_steps_done == death:
            os.kill(os.getpid(), signal.SIGKILL)

    Watch.on_train_batch_end = on_train_batch_end
    last = None
    capture = training.capture_state

    def capture_state(model, step):
        nonlocal last
        last = capture(model, step)
        return last

    training.capture_state = capture_state
    training.fit(
        SECTIONS,
        FakeStore(),
        model="lc_pggan",
        target="positive",
        out=run_dir,
        resume=(run_dir / "run.json").exists(),
    )
    arrays = [w[name].ravel() for w in last.weights.values() for name in sorted(w)]
    np.save(weights_path, np.concatenate(arrays))


if __name__ == "__main__":
    main()
