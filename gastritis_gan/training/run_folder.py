"""Where a run keeps what."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.storage import (
    new_file,
    new_folder,
    read_json,
    write_bytes,
    write_json,
)

_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of a run: facts, config, checkpoints, metrics, TensorBoard, sheets."""

    path: Path

    @property
    def config(self) -> Path:
        """Every setting."""
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """One JSON object per line and tick."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder for `tensorboard --logdir`."""
        return self.path / "tensorboard"

    def sheet(self, num_images: int) -> Path:
        """Samples of the fixed latents after `num_images` real images."""
        return self.path / f"sheet_{num_images:09d}.png"

    def create(self, facts: dict[str, Any], config_text: str) -> None:
        """Makes the folder with its facts, complete or not at all.

        Raises:
            InputError: The folder exists.
        """
        with new_folder(self.path) as partial:
            write_json(partial / "run.json", {"format": _FORMAT, **facts})
            write_bytes(RunFolder(partial).config, config_text.encode())
            RunFolder(partial).checkpoints.mkdir()

    def facts(self) -> dict[str, Any]:
        """Returns what the run was started with.

        Raises:
            InputError: The folder is no run or was written by another version.
        """
        if not (self.path / "run.json").is_file():
            raise InputError(
                f"{self.path} is not a run: it has no run.json. `gastritis-gan fit "
                "--run` makes one."
            )
        facts: dict[str, Any] = read_json(self.path / "run.json")
        if facts.pop("format", None) != _FORMAT:
            raise InputError(
                f"{self.path / 'run.json'} was written by another version of "
                f"gastritis-gan; this one reads format {_FORMAT}."
            )
        return facts

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps every other process from training in this folder.

        The lock belongs to the process: it ends with it, however it ends.

        Raises:
            InputError: Another process is training here.
        """
        with (self.path / "lock").open("w") as stream:
            if not _lock(stream.fileno()):
                raise InputError(
                    f"another process is training {self.path}. Wait for it, or stop "
                    "it with Ctrl-C or SIGTERM: it leaves a checkpoint."
                )
            yield

    def is_locked(self) -> bool:
        """Whether a process is training here now."""
        try:
            with (self.path / "lock").open("r") as stream:
                return not _lock(stream.fileno())
        except FileNotFoundError:
            return False

    def clean_up_after(self, step: int) -> None:
        """Drops what a resumed run will write again, and what a kill left half made.

        Args:
            step: The step that the run goes on from.
        """
        for partial in (*self.path.glob(".*.partial-*"), *self._partial_checkpoints()):
            partial.unlink()
        if self.metrics.exists():
            lines = self.metrics.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if _step_of(line) <= step]
            write_bytes(self.metrics, b"".join(kept))

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Adds one line to `metrics.jsonl`."""
        with self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def save_sheet(self, sheet: Image.Image, num_images: int) -> None:
        """Writes the samples of the fixed latents, complete or not at all."""
        with new_file(self.sheet(num_images)) as partial:
            sheet.save(partial, format="PNG")

    def last_metrics(self) -> dict[str, Any] | None:
        """Returns the last whole line of `metrics.jsonl`, if there is one."""
        if not self.metrics.exists():
            return None
        for line in reversed(self.metrics.read_bytes().splitlines(keepends=True)):
            if _step_of(line) < float("inf"):
                record: dict[str, Any] = json.loads(line)
                return record
        return None

    def _partial_checkpoints(self) -> list[Path]:
        return list(self.checkpoints.glob(".*.partial-*"))


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _step_of(line: bytes) -> float:
    try:
        return int(json.loads(line)["step"]) if line.endswith(b"\n") else float("inf")
    except (ValueError, KeyError):
        return float("inf")  # torn by a kill
