"""Checkpoints: one file per step, complete or absent, with its own hash; no pickle."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.storage import new_file, read_arrays

Arrays = Mapping[str, np.ndarray]

NETWORKS = ("generator", "discriminator", "generator_ema")
OPTIMIZERS = ("g_optimizer", "d_optimizer")

_FORMAT = 3
_HASH = "sha256"
_METRICS = "metrics"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Weights and optimizer slots after `step` steps.

    A growing run and a resumed run enter their next stage from the same object, so that
    a resumed run cannot differ from one that was never interrupted.

    Attributes:
        step: Steps done since the start of the run.
        resolution: Resolution in pixels of the stage that the arrays come from.
        weights: Per network of `NETWORKS`, arrays by weight name.
        slots: Per optimizer of `OPTIMIZERS`, arrays by variable name.
        metrics: Running means since the last tick, and what else the model counts
            (skipped steps, loss scale), arrays by variable name.
    """

    step: int
    resolution: int
    weights: Mapping[str, Arrays]
    slots: Mapping[str, Arrays]
    metrics: Arrays


def save_checkpoint(
    folder: Path, state: TrainingState, *, keep: int, always: Iterable[int] = ()
) -> None:
    """Writes `state` beside, renames it, then drops all but the newest `keep`.

    Args:
        folder: The run's checkpoints.
        state: What to keep.
        keep: How many checkpoints stay, at least 1.
        always: Steps whose checkpoints stay whatever their age.
    """
    arrays: dict[str, np.ndarray] = {
        "format": np.asarray(_FORMAT, "int64"),
        "step": np.asarray(state.step, "int64"),
        "resolution": np.asarray(state.resolution, "int64"),
    }
    for groups in (state.weights, state.slots, {_METRICS: state.metrics}):
        for group, members in groups.items():
            arrays |= {f"{group}/{name}": np.asarray(a) for name, a in members.items()}
    arrays[_HASH] = _digest(arrays)
    with new_file(_path(folder, state.step)) as partial, partial.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
    kept = {_path(folder, step) for step in always}
    for old in _newest_first(folder)[keep:]:
        if old not in kept:
            old.unlink()


def load_latest_checkpoint(
    folder: Path, *, last_step: int | None = None
) -> TrainingState:
    """Reads the newest checkpoint whose content has the hash it was written with.

    A damaged checkpoint is named in the log and skipped: it costs the steps since
    the one before, never the run.

    Args:
        folder: The run's checkpoints.
        last_step: Ignore checkpoints after this step; None: take the newest.

    Raises:
        InputError: There is none, all are damaged, or another version wrote it.
    """
    paths = _newest_first(folder)
    if last_step is not None:
        paths = [path for path in paths if path <= _path(folder, last_step)]
    if not paths:
        before = "" if last_step is None else f" of step {last_step} or before"
        raise InputError(
            f"{folder} holds no checkpoint{before}; the run stopped before its first "
            "one. Start it again under another name."
        )
    for path in paths:
        state = _read(path)
        if state is not None:
            return state
    raise InputError(
        f"every checkpoint in {folder} is damaged. Restore the folder from a backup, "
        "or start the run again under another name."
    )


def load_checkpoint(folder: Path, step: int) -> TrainingState:
    """Reads the checkpoint of a step of `checkpoint_steps`.

    Raises:
        InputError: It is damaged, or another version wrote it.
    """
    state = _read(_path(folder, step))
    if state is None:
        raise InputError(
            f"{_path(folder, step)} is damaged. Restore it from a backup, or choose "
            "another checkpoint."
        )
    return state


def checkpoint_steps(folder: Path) -> list[int]:
    """Returns the steps whose checkpoints are there, whole or damaged, in order."""
    names = (path.stem.removeprefix("step_") for path in _newest_first(folder))
    return sorted(int(name) for name in names)


def _read(path: Path) -> TrainingState | None:
    """Returns the state, or None with a warning if the file cannot be read."""
    try:
        # The arrays are not compressed, so they take no more than the file.
        arrays = read_arrays(path, most_bytes=path.stat().st_size)
    except (OSError, ValueError) as error:
        _log.warning("%s is damaged (%s) and was skipped.", path, error)
        return None
    if arrays.get("format") != _FORMAT:
        raise InputError(
            f"{path} is not a checkpoint of format {_FORMAT}; it was written by "
            "another version of gastritis-gan."
        )
    if not np.array_equal(arrays.pop(_HASH, np.array([])), _digest(arrays)):
        _log.warning("%s is damaged (its hash differs) and was skipped.", path)
        return None
    return TrainingState(
        step=int(arrays["step"]),
        resolution=int(arrays["resolution"]),
        weights={group: _members(arrays, group) for group in NETWORKS},
        slots={group: _members(arrays, group) for group in OPTIMIZERS},
        metrics=_members(arrays, _METRICS),
    )


def _digest(arrays: Arrays) -> np.ndarray:
    """Returns the SHA-256 over names, types, shapes and contents: 32 bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return np.frombuffer(digest.digest(), "uint8")


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.npz"), reverse=True)


def _path(folder: Path, step: int) -> Path:
    return folder / f"step_{step:010d}.npz"


def _members(arrays: Arrays, group: str) -> Arrays:
    prefix = f"{group}/"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
