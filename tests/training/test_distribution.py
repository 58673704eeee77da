import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.training.distribution import Distribution
from tests.helpers.tiny_run import stages_of

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "helpers" / "cluster_worker.py"
TOLERANCE = 2e-5  # of weights of order 1 after 11 steps of Adam in float32


def distribution_of(num_replicas):
    class Strategy:
        num_replicas_in_sync = num_replicas

    distribution = Distribution("one_device")
    distribution.strategy = Strategy()
    return distribution


def stage_of(batch_size, *, group_size, num_parts=1):
    spec = stages_of()[-1]
    networks = dataclasses.replace(spec.networks, mbstd_group_size=group_size)
    stage = dataclasses.replace(spec.stage, batch_size=batch_size)
    return dataclasses.replace(
        spec, networks=networks, stage=stage, num_micro_batches=num_parts
    )


@pytest.mark.parametrize(
    ("num_replicas", "group_size", "allowed"),
    [
        (1, 4, {1, 2, 3, 4, 8, 12, 16}),
        (2, 4, {2, 4, 6, 8, 16}),  # 12 would be 6 per replica: a group and a half
        (4, 2, {4, 8, 16}),  # 12 would be 3 per replica
        (3, 1, {3, 6, 9, 12, 15}),
    ],
)
def test_batches_that_replicas_can_share(num_replicas, group_size, allowed):
    """The table was worked by hand: whole groups, or one smaller group, per replica."""
    distribution = distribution_of(num_replicas)
    for batch_size in range(1, 17):
        expectation = (
            contextlib.nullcontext()
            if batch_size in allowed
            else pytest.raises(InputError, match=f"is {batch_size} at 8 pixels")
        )
        with expectation:
            distribution.check_batch_size(stage_of(batch_size, group_size=group_size))


def test_the_nearest_batches_are_named():
    with pytest.raises(InputError, match=r"can: 8 and 16; so can every multiple of 8"):
        distribution_of(2).check_batch_size(stage_of(12, group_size=4))
    with pytest.raises(InputError, match=r"can: 4; so can every multiple of 16"):
        distribution_of(4).check_batch_size(stage_of(2, group_size=4))


def test_parts_of_a_share_hold_whole_groups():
    """Two replicas, two parts each: 16 images are four groups of four, 8 are none."""
    two = distribution_of(2)
    two.check_batch_size(stage_of(16, group_size=4, num_parts=2))
    with pytest.raises(InputError, match=r"x 2 `schedule.accumulation_steps`") as error:
        two.check_batch_size(stage_of(14, group_size=4, num_parts=2))
    assert "can: 12 and 16; so can every multiple of 16." in str(error.value)


@pytest.mark.parametrize(
    "cluster",
    [
        None,
        "{",
        "[]",
        json.dumps({"cluster": {}, "task": {"type": "worker", "index": 0}}),
        json.dumps(
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}
        ),
        json.dumps(
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}
        ),
    ],
)
def test_a_cluster_that_is_not_described_is_refused(monkeypatch, cluster):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if cluster is not None:
        monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(InputError, match="needs the environment variable TF_CONFIG"):
        Distribution("multi_worker")


def test_auto_is_one_device_where_there_is_one(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    distribution = Distribution("auto")
    assert distribution.strategy.num_replicas_in_sync == 1
    assert distribution.is_chief
    assert not distribution.is_cluster


def test_two_mirrored_replicas_train_like_one_device(repository):
    """Latents and patches of the global batch are the same; only sums are reordered."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.two_replicas"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert float(result.stdout.rpartition(" ")[2]) < 1e-5


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
    """Returns its exit status and its standard error."""
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


@pytest.mark.slow
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
