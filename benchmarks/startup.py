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

STARTS = 7
_COMMAND = str(Path(sys.executable).with_name("gastritis-gan"))

Seconds = tuple[float, float]
"""Of the clock and of the process's CPU time."""


def run(*command: str) -> Seconds:
    """Runs a command to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime


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
            [_COMMAND, "sample", *options, "--out", f"{folder}/samples"],
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
    group = subprocess.check_output([_COMMAND, "--help"], text=True)
    names = [
        line.split()[0] for line in group.partition("Commands:")[2].splitlines()[1:]
    ]
    actions: dict[str, Callable[[], Seconds]] = {
        "python -c pass": lambda: run(sys.executable, "-c", "pass"),
        "--help": lambda: run(_COMMAND, "--help"),
        **{
            f"{name} --help": lambda name=name: run(_COMMAND, name, "--help")
            for name in names
        },
        "sample --server, first request": first_request,
    }
    found: dict[str, list[Seconds]] = {name: [] for name in actions}
    for _ in range(STARTS):
        for name, action in actions.items():
            found[name].append(action())
    sys.stdout.write("| command | seconds | CPU-s |\n|:--|--:|--:|\n")
    for name, values in found.items():
        wall, cpu = (statistics.median(clock) for clock in zip(*values, strict=True))
        sys.stdout.write(f"| {name} | {wall:.2f} | {cpu:.2f} |\n")


if __name__ == "__main__":
    main()
