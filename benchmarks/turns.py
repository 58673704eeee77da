"""Lets processes take turns at the same work, so that a busy machine slows all alike.

Every implementation is a process of its own (`steps/`). After a warm-up each does some
steps, one process after the other, several times over, and medians count. Seconds of
CPU are the process's own, user and system, all threads: they survive a shared machine.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

STEPS = Path(__file__).parent / "steps"
TURNS = 5
SECONDS_PER_TURN = 1.5
PEAK_SIZE = 1536

Case = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Implementation:
    """Something to time.

    Attributes:
        name: For tables.
        python: The interpreter that has its packages.
        script: In `steps/`.
        options: What the script is told beside the case.
    """

    name: str
    python: str
    script: str
    options: Case = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Times:
    """What the turns of one implementation gave.

    Attributes:
        first_seconds: Wall clock of the first two steps, which trace and compile.
        cpu: CPU-seconds of a step, one number per turn.
        wall: Seconds of a step, one number per turn.
        peaks: Operations per CPU-second of a matrix product, one number per turn.
    """

    first_seconds: float
    cpu: list[float]
    wall: list[float]
    peaks: list[float]

    @property
    def median_cpu(self) -> float:
        """Median CPU-seconds of a step."""
        return statistics.median(self.cpu)

    @property
    def median_wall(self) -> float:
        """Median seconds of a step."""
        return statistics.median(self.wall)


def take_turns(
    case: Case,
    implementations: Sequence[Implementation],
    *,
    threads: int,
    weights: dict[str, float] | None = None,
) -> dict[str, Times]:
    """Times a step of every implementation.

    Args:
        case: What to do; goes to every process, with its options.
        implementations: What to compare.
        threads: Of each process.
        weights: Share of each kind of step where an implementation has several; a kind
            that is not named here has weight 1.
    """
    weights = weights or {}
    processes = [_Process(each, threads) for each in implementations]
    firsts = [
        process.ask(case=case | each.options)
        for process, each in zip(processes, implementations, strict=True)
    ]
    counts = []
    for process, first in zip(processes, firsts, strict=True):
        kinds = len(first["kinds"])
        once = process.ask(steps=kinds)["wall"]
        seconds = sum(sum(values) for values in once.values()) / kinds
        count = max(1, round(SECONDS_PER_TURN / seconds))
        counts.append(-(-count // kinds) * kinds)  # as many of each kind
    answers: list[list[Any]] = [[] for _ in processes]
    peaks = []
    for _ in range(TURNS):
        peaks.append(_peak())
        for process, count, own in zip(processes, counts, answers, strict=True):
            own.append(process.ask(steps=count))
    for process in processes:
        process.close()

    def per_step(answer: Any, clock: str) -> float:
        return sum(
            weights.get(kind, 1.0) * statistics.mean(values)
            for kind, values in answer[clock].items()
        )

    return {
        each.name: Times(
            first_seconds=first["first_seconds"],
            cpu=[per_step(answer, "cpu") for answer in own],
            wall=[per_step(answer, "wall") for answer in own],
            peaks=peaks,
        )
        for each, first, own in zip(implementations, firsts, answers, strict=True)
    }


def machine(threads: int) -> dict[str, Any]:
    """Returns what a table has to say about where it was made."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{
            package: importlib.metadata.version(package)
            for package in ("tensorflow-cpu", "keras", "numpy")
            if _is_installed(package)
        },
    }


def packages_of(python: str, *names: str) -> dict[str, str]:
    """Returns the versions of packages of another interpreter."""
    code = (
        "import importlib.metadata, json, sys; print(json.dumps("
        "{name: importlib.metadata.version(name) for name in sys.argv[1:]}))"
    )
    output = subprocess.check_output([python, "-c", code, *names], text=True)
    versions: dict[str, str] = json.loads(output)
    return versions


class _Process:
    """An implementation in a process of its own."""

    def __init__(self, implementation: Implementation, threads: int) -> None:
        limits = {
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": "1",
            "OMP_NUM_THREADS": str(threads),
        }
        self._process = subprocess.Popen(
            [implementation.python, STEPS / implementation.script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **limits},
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Sends one line and returns the answer."""
        process = self._process
        assert process.stdin is not None  # noqa: S101 - a pipe, as asked for
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
        except (OSError, ValueError):
            sys.exit(f"{process.args} ended; run it by hand to see why")
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def _peak() -> float:
    """Returns operations per CPU-second of large matrix products."""
    a = np.random.default_rng(0).random((PEAK_SIZE, PEAK_SIZE), np.float32)
    a @ a
    cpu = time.process_time()
    for _ in range(3):
        a @ a
    return 3 * 2 * PEAK_SIZE**3 / (time.process_time() - cpu)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor()


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
