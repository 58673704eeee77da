"""What tests look at in the folder of a chain, and in the system."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

MODELS = ("pggan", "lc_pggan", "dcgan")
NAMES = [
    f"{model}_{target}_0" for model in MODELS for target in ("positive", "negative")
]


def last_checkpoint(run: Path) -> tuple[str, str] | None:
    """Returns the name and the hash of a run's newest checkpoint."""
    paths = sorted((run / "checkpoints").glob("step_*.npz"))
    if not paths:
        return None
    return paths[-1].name, hashlib.sha256(paths[-1].read_bytes()).hexdigest()


def processes_of(run: Path) -> list[int]:
    """Returns the numbers of the processes that train in the folder `run`."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            current = (folder / "cwd").readlink()
        except (OSError, ValueError):
            continue
        if {"fit", "--run"} <= {*words} and current / words[
            words.index("--run") + 1
        ] == run:
            found.append(int(folder.name))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 900) -> None:
    """Waits until a condition is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
