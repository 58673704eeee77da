"""How long commands take until they do something.

    python benchmarks/startup.py

Medians of several starts, in turns with a bare interpreter: `--help` of the group and
of every command, and `sample --server` until its first request reaches a socket.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import harness

STARTS = 7
COMMAND = str(Path(sys.executable).with_name("gastritis-gan"))

Seconds = tuple[float, float]
"""Of the clock and of the process's CPU time."""


def run(*command: str) -> Seconds:
    """Runs a command to its end."""
    usage = harness.run_command(*command)
    return usage.wall, usage.cpu


def first_request() -> Seconds:
    """Starts a client and ends it when it has connected."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        options = ("--server", url, "--model", "any", "--count", "1")
        start = time.perf_counter()
        process = subprocess.Popen(
            [COMMAND, "sample", *options, "--out", f"{folder}/samples"],
            stderr=subprocess.DEVNULL,
        )
        connection, _ = server.accept()
        with connection:
            connection.recv(1)
            seconds = time.perf_counter() - start
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return seconds, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Prints a Markdown table."""
    quick = harness.make_parser(__doc__).parse_args().quick
    group = subprocess.check_output([COMMAND, "--help"], text=True)
    names = [
        line.split()[0] for line in group.partition("Commands:")[2].splitlines()[1:]
    ]
    actions: dict[str, Callable[[], Seconds]] = {
        "python -c pass": lambda: run(sys.executable, "-c", "pass"),
        "--help": lambda: run(COMMAND, "--help"),
        **{
            f"{name} --help": lambda name=name: run(COMMAND, name, "--help")
            for name in names
        },
        "sample --server, first request": first_request,
    }
    found: dict[str, list[Seconds]] = {name: [] for name in actions}
    for _ in range(1 if quick else STARTS):
        for name, action in actions.items():
            found[name].append(action())
    harness.write_machine()
    harness.write_header("command", "seconds", "CPU-s")
    for name, values in found.items():
        wall, cpu = (statistics.median(clock) for clock in zip(*values, strict=True))
        harness.write_row(name, f"{wall:.2f}", f"{cpu:.2f}")


if __name__ == "__main__":
    main()
