"""Checkpoints: one file per step, complete or absent, no pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.files import new_file
from gastritis_gan.training.state import NETWORKS, OPTIMIZERS, Arrays, TrainingState

_FORMAT = 1
_KEPT = 2


def save_checkpoint(folder: Path, state: TrainingState) -> None:
    """Writes `state` beside, renames it, then drops all but the newest two."""
    arrays: dict[str, Any] = {
        "format": np.int64(_FORMAT),
        "step": np.int64(state.step),
        "resolution": np.int64(state.resolution),
    }
    for groups in (state.weights, state.slots):
        for group, members in groups.items():
            arrays |= {f"{group}/{name}": array for name, array in members.items()}
    with new_file(_path(folder, state.step)) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    for old in sorted(folder.glob("step_*.npz"))[:-_KEPT]:
        old.unlink()


def load_latest_checkpoint(folder: Path) -> TrainingState:
    """Reads the newest checkpoint of a run.

    Raises:
        InputError: There is none, or it is damaged or of another format.
    """
    paths = sorted(folder.glob("step_*.npz"))
    if not paths:
        raise InputError(
            f"{folder} holds no checkpoint; the run stopped before its first one. "
            "Start it again under another name."
        )
    try:
        with (
            paths[-1].open("rb") as stream,  # np.load alone leaves a torn file open
            np.load(stream, allow_pickle=False) as archive,
        ):
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{paths[-1]} is damaged ({error}). Remove it to go on from the checkpoint "
            "before."
        ) from None
    if arrays.get("format") != _FORMAT:
        raise InputError(
            f"{paths[-1]} is not a checkpoint of format {_FORMAT}; it was written by "
            "another version of gastritis-gan."
        )
    return TrainingState(
        step=int(arrays["step"]),
        resolution=int(arrays["resolution"]),
        weights={group: _members(arrays, group) for group in NETWORKS},
        slots={group: _members(arrays, group) for group in OPTIMIZERS},
    )


def _path(folder: Path, step: int) -> Path:
    return folder / f"step_{step:010d}.npz"


def _members(arrays: Arrays, group: str) -> Arrays:
    prefix = f"{group}/"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
