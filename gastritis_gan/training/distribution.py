"""On how many devices a run trains: `tf.distribute` strategies by name."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf
from tensorflow.python.framework import config  # the way back is not public

from gastritis_gan.errors import InputError
from gastritis_gan.training.recipe import StageSpec

_CLUSTER = "TF_CONFIG"


class Distribution:
    """The devices of a run.

    Args:
        name: `"one_device"`; `"mirrored"`: every GPU of this machine, without one every
            logical CPU device; `"multi_worker"`: the workers that the environment
            variable `TF_CONFIG` lists; `"auto"`: multi_worker if `TF_CONFIG` is set,
            else mirrored if there are several GPUs, else one_device.

    Attributes:
        strategy: The `tf.distribute.Strategy`.
        is_cluster: Whether there are other processes.
        is_chief: Whether this process writes the run; one worker of a cluster does.

    Raises:
        InputError: `multi_worker` without a usable `TF_CONFIG`.
    """

    def __init__(self, name: str) -> None:
        if name == "auto" and _CLUSTER in os.environ:
            name = "multi_worker"
        self.is_cluster = name == "multi_worker"
        if self.is_cluster:
            _check_cluster()
        self.strategy = _strategy(name)
        self._worker, self._num_workers = 0, 1
        if self.is_cluster:
            resolver = self.strategy.cluster_resolver
            self._worker = resolver.task_id
            self._num_workers = len(resolver.cluster_spec().task_indices("worker"))
        self.is_chief = self._worker == 0

    def dataset(
        self,
        make: Callable[[Sequence[int], int], tf.data.Dataset],
        batch_size: int,
    ) -> tf.data.Dataset:
        """Returns a dataset for `fit()` of which every replica gets its own rows.

        `fit()` distributes a dataset itself: it cuts each element into the shares of
        all replicas, and a worker's replicas take one share after the other. Hence a
        worker gets its shares of several steps in one element as large as a batch.

        Args:
            make: Returns the dataset of some shards, of a number of shards; see
                `make_dataset`.
            batch_size: Patches per step over all replicas.
        """
        num_replicas = self.strategy.num_replicas_in_sync
        num_local = num_replicas // self._num_workers
        first = num_local * self._worker
        shares = make(range(first, first + num_local), num_replicas)
        if num_replicas == 1:
            return shares
        return shares.repeat().rebatch(batch_size)  # a short last one would be cut up

    @contextlib.contextmanager
    def lost_workers_named(self) -> Iterator[None]:
        """Turns the loss of another worker into a sentence."""
        try:
            yield
        except (
            tf.errors.AbortedError,
            tf.errors.DeadlineExceededError,
            tf.errors.UnavailableError,
        ) as error:
            if not self.is_cluster:
                raise
            raise InputError(
                "another worker of the cluster was lost. Start every worker again with "
                "--resume: they resume from the last checkpoint."
            ) from error

    def check_batch_size(self, spec: StageSpec) -> None:
        """Checks that replicas can share the batch of a stage.

        The groups whose standard deviation a discriminator computes lie inside a
        micro-batch, and all micro-batches of all replicas have one size.

        Raises:
            InputError: They cannot; the message has the nearest batches that they can.
        """
        batch_size, group_size = spec.stage.batch_size, spec.group_size
        num_parts = spec.num_micro_batches
        num_replicas = self.strategy.num_replicas_in_sync
        least = num_replicas * num_parts

        def can_be_shared(size: int) -> bool:
            per_part, rest = divmod(size, least)
            return not rest and per_part % min(group_size, per_part) == 0

        if batch_size >= least and can_be_shared(batch_size):
            return
        whole = least * group_size
        candidates = range(least, batch_size + whole + 1)
        shared = [size for size in candidates if can_be_shared(size)]
        nearest = [size for size in shared if size < batch_size][-1:]
        nearest += [size for size in shared if size > batch_size][:1]
        raise InputError(
            f"`schedule.batch_size` is {batch_size} at {spec.stage.resolution} pixels, "
            f"which {num_replicas} replicas cannot share in groups of {group_size} "
            "(`networks.mbstd_group_size`)"
            + (f" x {num_parts} `schedule.accumulation_steps`" if num_parts > 1 else "")
            + ". The nearest that they can: "
            f"{' and '.join(map(str, nearest))}; so can every multiple of {whole}."
        )


@contextlib.contextmanager
def deterministic_operations(*, wanted: bool) -> Iterator[None]:
    """Makes TensorFlow's operations deterministic in the block, and no longer.

    Operations look the flag up when they run, so nothing of it stays behind.

    Args:
        wanted: False leaves them as they are.
    """
    was_enabled = config.is_op_determinism_enabled()
    if wanted:
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        if wanted and not was_enabled:
            config.disable_op_determinism()


def _strategy(name: str) -> tf.distribute.Strategy:
    if name == "multi_worker":
        return _cluster_strategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return _mirrored_strategy(*(device.name for device in devices))
    return tf.distribute.get_strategy()


# TensorFlow numbers collective operations per strategy, from 100, and remembers their
# shapes per process: a second strategy over the same devices is "Shape mismatch in the
# collective instance 100". So a process has one, which numbers on from run to run.
@functools.cache
def _mirrored_strategy(*devices: str) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(devices)


@functools.cache
def _cluster_strategy() -> tf.distribute.Strategy:
    return tf.distribute.MultiWorkerMirroredStrategy()


def _check_cluster() -> None:
    try:
        document = json.loads(os.environ.get(_CLUSTER, ""))
        workers, task = document["cluster"]["worker"], document["task"]
        usable = task["type"] == "worker" and 0 <= int(task["index"]) < len(workers)
    except (ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        raise InputError(
            "`training.distribution` multi_worker needs the environment variable "
            f"{_CLUSTER} on every worker, with its own index, for example "
            '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": '
            '{"type": "worker", "index": 0}}. Received: '
            f"{os.environ.get(_CLUSTER, 'nothing')}."
        )
