"""What the benchmarks share: arguments, tables, time and memory, fair turns.

Seconds of CPU are user and system, all threads: they survive a shared machine, those of
the clock do not always. Implementations that are compared take turns (`take_turns`), so
that a busy machine slows all alike. What is measured alone gets a process of its own
(`alone`, `run_command`), so that no memory and no compiled graph is left from before.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import resource
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

STEPS = Path(__file__).parent / "steps"
TURNS = 5
SECONDS_PER_TURN = 1.5
PEAK_SIZE = 1536
GASTRITIS_GAN = (
    sys.executable,
    "-c",
    "from gastritis_gan.cli.main import main; main()",
)

Case = dict[str, Any]


def make_parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser that has `--quick`, a trial with the smallest settings."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="smallest settings: a trial, no result"
    )
    return parser


def integers(text: str) -> list[int]:
    """Returns the numbers of `"4,8,16"`, as a type of an argument."""
    return [int(number) for number in text.split(",")]


def write(text: str = "") -> None:
    """Writes a line of the result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_row(*cells: object) -> None:
    """Writes a row of a Markdown table."""
    write(f"| {' | '.join(map(str, cells))} |")


def write_header(*columns: str) -> None:
    """Writes the first two lines of a Markdown table, numbers to the right."""
    write()
    write_row(*columns)
    write("|" + "--:|" * len(columns))


# Where a result was made.


def machine(**more: object) -> dict[str, object]:
    """Returns what a result has to say about where it was made."""
    return {
        "commit": _commit(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{
            package: importlib.metadata.version(package)
            for package in ("tensorflow", "tensorflow-cpu", "keras", "numpy")
            if _is_installed(package)
        },
        **more,
    }


def write_machine(**more: object) -> dict[str, object]:
    """Writes `machine()` as a line and returns it."""
    about = machine(**more)
    write(", ".join(f"{key} {value}" for key, value in about.items()))
    return about


def versions_of(python: str, *names: str) -> dict[str, str]:
    """Returns the versions of packages of another interpreter."""
    code = (
        "import importlib.metadata, json, sys; print(json.dumps("
        "{name: importlib.metadata.version(name) for name in sys.argv[1:]}))"
    )
    output = subprocess.check_output([python, "-c", code, *names], text=True)
    versions: dict[str, str] = json.loads(output)
    return versions


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=STEPS,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return models[0].strip() if models else platform.processor()


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


# Time and memory.


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a call or a program took.

    Attributes:
        wall: Seconds of the clock.
        cpu: Seconds of CPU, with those of processes that it waited for.
        peak_mib: Largest resident memory of the process.
    """

    wall: float
    cpu: float
    peak_mib: float


def usage_of(function: Callable[[], Any]) -> Usage:
    """Calls a function and returns what it took; the peak is the process's so far."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    function()
    return Usage(
        wall=time.perf_counter() - wall, cpu=_cpu_seconds() - cpu, peak_mib=peak_mib()
    )


def run_command(*command: object) -> Usage:
    """Runs a program to its end; its failure is this program's.

    Args:
        *command: The program and its arguments; `*GASTRITIS_GAN, "fit", ...` is the
            command line of this interpreter's gastritis_gan.
    """
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{process.args} ended with code {process.returncode}")
    return Usage(
        wall=time.perf_counter() - start,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
    )


def alone(script: str, function: str, *arguments: Any) -> Any:
    """Calls a function of a script in a process of its own.

    Args:
        script: The caller's `__file__`.
        function: Its name there; what it prints is not shown.
        *arguments: And the result: whatever JSON can hold.
    """
    command = [sys.executable, __file__, script, function, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{function}` of {script} ended with code {done.returncode}")
    return json.loads(done.stdout)


def peak_mib() -> float:
    """Returns the largest resident memory of this process; Linux.

    (`ru_maxrss` begins with that of the process's parent.)
    """
    return status_mib("VmHWM")


def status_mib(key: str) -> float:
    """Returns an entry of the process's status, as `VmRSS`, in MiB; Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def _cpu_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


# Turns.


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
    turns: int = TURNS,
) -> dict[str, Times]:
    """Times a step of every implementation, one process after the other, repeatedly.

    Args:
        case: What to do; goes to every process, with its options.
        implementations: What to compare; every one is a process of its own (`steps/`).
        threads: Of each process.
        weights: Share of each kind of step where an implementation has several; a kind
            that is not named here has weight 1.
        turns: Of each process.
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
    for _ in range(turns):
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


if __name__ == "__main__":  # what `alone` starts
    script, function, arguments = sys.argv[1:]
    result = sys.stdout
    sys.stdout = sys.stderr
    found = runpy.run_path(script)[function](*json.loads(arguments))
    result.write(json.dumps(found))
