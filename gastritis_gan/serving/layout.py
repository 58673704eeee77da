"""Where exported models lie: `exported/<name>/<version>/`, as in TensorFlow Serving."""

from __future__ import annotations

import re
from pathlib import Path

from gastritis_gan.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9]+")


def check_model_name(name: str) -> None:
    """Refuses a name that is unsafe as a folder or in a server's address.

    Raises:
        InputError: `name` holds something else than letters, digits, `_`, `.` and `-`,
            or starts with a dot or a dash.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"the model name {name!r} cannot be used: letters, digits, '_', '.' and "
            "'-' are allowed, and the first must be a letter, a digit or '_'."
        )


def version_folders(model_folder: Path) -> dict[int, Path]:
    """Returns the versions in `exported/<name>`: number to folder, lowest first.

    Other entries, such as a half-written version under its temporary name, are skipped,
    as TensorFlow Serving skips them. The result is empty when the folder does not
    exist.
    """
    if not model_folder.is_dir():
        return {}
    folders = {
        int(child.name): child
        for child in model_folder.iterdir()
        if _VERSION.fullmatch(child.name) and child.is_dir()
    }
    return dict(sorted(folders.items()))
