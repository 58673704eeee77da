import contextlib
import dataclasses
import json

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.training.distribution import Distribution
from tests.helpers.tiny_run import stages_of


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
