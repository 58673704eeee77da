"""Where a run keeps what."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.files import new_folder, read_json, write_bytes, write_json

_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The files of a run: facts, config, checkpoints, metrics, TensorBoard, sheets."""

    path: Path

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
            write_bytes(partial / "config.yaml", config_text.encode())
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

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Adds one line to `metrics.jsonl`."""
        with self.metrics.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def forget_metrics_after(self, step: int) -> None:
        """Drops the lines of steps that a resumed run will do again."""
        if not self.metrics.exists():
            return
        lines = self.metrics.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step_of(line) <= step]
        write_bytes(self.metrics, "".join(f"{line}\n" for line in kept).encode())


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return float("inf")  # a line torn by a kill
