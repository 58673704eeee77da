"""The visible folder in which a store grows; it outlives a kill, not a refusal."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from gastritis_gan.errors import InputError

PLAN_FILE = "plan.json"
FINISHED_FOLDER = "finished"  # a record per finished image
STORE_FOLDER = "store"  # what is renamed in the end
_LOCK_FILE = "lock"


def work_folder_of(store_path: Path) -> Path:
    """Returns the folder beside a store in which it is made."""
    return store_path.with_name(f"{store_path.name}.partial")


@contextlib.contextmanager
def work_folder(store_path: Path) -> Iterator[Path]:
    """Yields the work folder of a store, made or found, and removes it in the end.

    A block that raises an exception leaves a folder that it found and removes one that
    it made; a block that is interrupted (Ctrl-C, a kill) leaves it in any case, so that
    the next one goes on from there.

    Args:
        store_path: The store to be made; its parent exists.

    Raises:
        InputError: Another process works in the folder, or it is not a work folder.
    """
    path = work_folder_of(store_path)
    is_new = not path.exists()
    if not is_new:
        _refuse_what_is_no_work_folder(path)
    path.mkdir(exist_ok=True)
    with _lock(path):
        try:
            yield path
        except Exception:
            if is_new:
                shutil.rmtree(path, ignore_errors=True)
            raise
        shutil.rmtree(path)


def _refuse_what_is_no_work_folder(path: Path) -> None:
    """Raises InputError for a folder that holds anything but what this module makes."""
    names = {p.name for p in path.iterdir()} if path.is_dir() else {path.name}
    is_ours = PLAN_FILE in names or all(n.startswith((".", _LOCK_FILE)) for n in names)
    if not is_ours:
        raise InputError(
            f"{path} exists and is not the work folder of an unfinished store; move it "
            "away or prepare into another path."
        )


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds the folder; the system releases it when the process ends in any way."""
    with (path / _LOCK_FILE).open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is working in {path}; wait until it has finished."
            ) from None
        yield
