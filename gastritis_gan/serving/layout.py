"""Where exported models lie: `exported/<name>/<version>/`, as in TensorFlow Serving."""

from __future__ import annotations

import re
from pathlib import Path

from gastritis_gan.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9]+")


def is_safe_name(name: str) -> bool:
    """Returns whether a name can be a folder and part of an address as it is."""
    return _NAME.fullmatch(name) is not None


def check_model_name(name: str) -> None:
    """Refuses a name that is unsafe as a folder or in a server's address.

    Raises:
        InputError: `name` contains something other than letters, digits, `_`, `.` and
            `-`, or starts with a dot or a dash.
    """
    if not is_safe_name(name):
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


def highest_versions(path: Path) -> list[Path]:
    """Returns the version folders that `path` stands for, one of each model.

    Args:
        path: A version, a model (its highest version), or a folder of models (the
            highest version of each).
    """
    if (path / "saved_model.pb").is_file():
        return [path]
    folders = (path, *sorted(path.iterdir())) if path.is_dir() else ()
    found = [version_folders(folder) for folder in folders]
    return [versions[max(versions)] for versions in found if versions]


def find_version(path: Path, version: int | None = None) -> Path:
    """Returns the folder of one version.

    Args:
        path: `exported/<name>`, or the folder of one version in it.
        version: Which version of `exported/<name>`; the highest by default.

    Raises:
        InputError: There is no such model or version.
    """
    if not path.is_dir():
        raise InputError(
            f"{path} does not exist. Give exported/NAME of an exported model."
        )
    if (path / "saved_model.pb").is_file():
        if version is not None and path.name != str(version):
            raise InputError(
                f"{path} is one version already; it cannot be asked for version "
                f"{version}. Give {path.parent} instead."
            )
        return path
    folders = version_folders(path)
    if not folders:
        raise InputError(
            f"{path} contains no exported version. Give exported/NAME of an exported "
            "model."
        )
    if version is None:
        return folders[max(folders)]
    if version not in folders:
        known = ", ".join(map(str, folders))
        raise InputError(f"{path} has no version {version}; it has {known}.")
    return folders[version]
