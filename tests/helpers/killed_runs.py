"""Trains the tiny experiment again and again, each time killed by SIGKILL at a point.

A process of its own: it imports TensorFlow once and forks a child for every start, so
that a child's death is a real one and costs no import. Arguments: a run folder, then
the point of every kill, as `step:N` (after step N of the child, which does one step in
a call) or `write:N` (half way through the Nth checkpoint of a child that does two). A
first point `judged` trains the experiment of `tests/helpers/judged_run.py` instead. At
last the run is resumed to its end; prints how many kills there were.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

from gastritis_gan.training import recipe
from gastritis_gan.training.callbacks import Watch
from gastritis_gan.training.fit import fit
from tests.helpers import judged_run
from tests.helpers.tiny_run import SECTIONS, FakeStore


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point):
    kind, _, number = point.partition(":")
    done = 0
    if kind == "step":
        recipe._MOST_STEPS_PER_CALL = 1
        original = Watch.on_train_batch_end

        def on_train_batch_end(self, batch, logs=None):
            nonlocal done
            original(self, batch, logs)
            done += 1
            if done == int(number):
                die()

        Watch.on_train_batch_end = on_train_batch_end
    else:
        savez = np.savez

        def half_savez(stream, **arrays):
            nonlocal done
            done += 1
            if done < int(number):
                savez(stream, **arrays)
                return
            some = dict(list(arrays.items())[: len(arrays) // 2])
            savez(stream, **some)
            stream.flush()
            die()

        np.savez = half_savez


def train(run_dir, point=None, *, judged=False):
    """Returns the exit status of a child that trains, and dies at `point`."""
    child = os.fork()
    if child == 0:
        if point is not None:
            die_at(point)
        if judged:
            judged_run.script_quality(setattr)
        fit(
            judged_run.SECTIONS if judged else SECTIONS,
            judged_run.STORE if judged else FakeStore(),
            model="dcgan" if judged else "lc_pggan",
            target="positive",
            out=run_dir,
            resume=run_dir.exists(),
        )
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main():
    run_dir, points = Path(sys.argv[1]), sys.argv[2:]
    judged = points[:1] == ["judged"]
    kills = 0
    for point in points[judged:]:
        status = train(run_dir, point, judged=judged)
        if status == 0:
            break  # the point lay behind the end of the run
        if os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the child ended with {status}, not by SIGKILL")
        kills += 1
    if train(run_dir, judged=judged) == 0:
        print(kills)  # noqa: T201


if __name__ == "__main__":
    main()
