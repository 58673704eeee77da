"""Two processes on loopback are one run (`training.distribution` multi_worker)."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "helpers" / "cluster_worker.py"
TOLERANCE = 2e-5  # of weights of order 1 after 11 steps of Adam in float32


def free_ports():
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def start_cluster(folder, *, death=None):
    """Starts both workers; worker 1 dies by SIGKILL after step `death`."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports()]}
    workers = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        variables = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
        death_of_this = [str(death)] if death and index == 1 else []
        workers.append(start(folder, f"{index}.npy", *death_of_this, **variables))
    return workers


def start(folder, weights_name, *arguments, **variables):
    return subprocess.Popen(
        [sys.executable, SCRIPT, folder / "run", folder / weights_name, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process):
    """Returns its exit status and what it said."""
    try:
        errors = process.communicate(timeout=300)[1]
    finally:
        process.kill()
    return process.returncode, errors


def metrics(folder):
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    status, errors = wait_for(start(folder, "0.npy"))
    assert status == 0, errors[-2000:]
    return folder


def assert_same_run(folder, single):
    first, second = np.load(folder / "0.npy"), np.load(folder / "1.npy")
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, np.load(single / "0.npy"), atol=TOLERANCE)
    for record, expected in zip(metrics(folder), metrics(single), strict=True):
        assert record["step"] == expected["step"]
        assert record["num_images"] == expected["num_images"]
        for name in ("d_loss", "g_loss", "real_scores", "fake_scores"):
            assert record[name] == pytest.approx(expected[name], abs=1e-4)


def test_two_workers_train_what_one_process_trains(single, tmp_path):
    for worker in start_cluster(tmp_path):
        status, errors = wait_for(worker)
        assert status == 0, errors[-2000:]
    assert_same_run(tmp_path, single)
    names = [path.name for path in (tmp_path / "run").iterdir()]
    assert sorted(names) == sorted(path.name for path in (single / "run").iterdir())


@pytest.mark.slow
def test_a_lost_worker_costs_the_steps_since_the_checkpoint(single, tmp_path):
    chief, lost = start_cluster(tmp_path, death=5)
    assert wait_for(lost)[0] == -signal.SIGKILL
    status, errors = wait_for(chief)
    assert status == 1
    assert "another worker of the cluster was lost" in errors
    for worker in start_cluster(tmp_path):
        status, errors = wait_for(worker)
        assert status == 0, errors[-2000:]
    assert_same_run(tmp_path, single)
