"""Exported models on disk: `exported/<name>/<version>/`, as a server expects them.

A version holds a SavedModel and `assets.extra/model_card.json`: what the generator is,
how it was trained, and the hash of every file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json, sha256_of_file, write_json

_CARD_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9]+")
_CARD_PATH = Path("assets.extra") / "model_card.json"
_REQUIRED_KEYS = ("name", "version", "class_name", "resolution", "latent_dim", "files")


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


def write_model_card(version_folder: Path, content: dict[str, Any]) -> None:
    """Writes the card of a complete version, with the SHA-256 of every file in it.

    Args:
        version_folder: Folder with `saved_model.pb` and `variables/`.
        content: What the card has beside the format and the hashes; JSON-able.
    """
    files = {
        path.relative_to(version_folder).as_posix(): sha256_of_file(path)
        for path in sorted(version_folder.rglob("*"))
        if path.is_file()
    }
    card_path = version_folder / _CARD_PATH
    card_path.parent.mkdir(exist_ok=True)
    hashed = {"model_hash": model_hash(version_folder), "files": files}
    write_json(card_path, {"format": _CARD_FORMAT, **content, **hashed})


def model_hash(version_folder: Path) -> str:
    """Returns the identity of a version's graph and weights, 64 hexadecimal digits.

    It is the SHA-256 over one line `path sha256` for `saved_model.pb` and every file of
    `variables/`, sorted by path, each ended by a newline. Renaming the model or adding
    an audit to its card leaves it as it is.

    Raises:
        InputError: There is no SavedModel in `version_folder`.
    """
    graph = version_folder / "saved_model.pb"
    if not graph.is_file():
        raise InputError(
            f"{version_folder} is not an exported model: it has no saved_model.pb. "
            "Give a folder that `gastritis-gan export` has written."
        )
    weights = (version_folder / "variables").rglob("*")
    digest = hashlib.sha256()
    for path in sorted([graph, *(path for path in weights if path.is_file())]):
        name = path.relative_to(version_folder).as_posix()
        digest.update(f"{name} {sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


def add_audit(version_folder: Path, audit: Mapping[str, Any]) -> None:
    """Writes `audit` into a version's card under that key; nothing else changes.

    An earlier audit in the card is replaced.

    Args:
        version_folder: Folder of one version.
        audit: What the privacy audit found; JSON-able.

    Raises:
        InputError: The version has no card or is damaged.
    """
    card = {**read_model_card(version_folder), "audit": dict(audit)}
    write_json(version_folder / _CARD_PATH, card)


def read_model_card(version_folder: Path) -> dict[str, Any]:
    """Reads a version's card and checks every file of the version against it.

    Raises:
        InputError: There is no card, it is damaged or of another format, or a file is
            missing or differs.
    """
    card_path = version_folder / _CARD_PATH
    if not card_path.is_file():
        raise InputError(
            f"{version_folder} is not an exported model: it has no "
            f"{_CARD_PATH.as_posix()}. Give a folder that `gastritis-gan export` has "
            "written."
        )
    card = read_json(card_path)
    if not isinstance(card, dict) or card.get("format") != _CARD_FORMAT:
        raise InputError(
            f"{card_path} is not a model card of format {_CARD_FORMAT}; export the "
            "model again with this version of gastritis-gan."
        )
    missing = [key for key in _REQUIRED_KEYS if key not in card]
    if missing or not isinstance(card["files"], dict):
        raise InputError(
            f"{card_path} is damaged: {missing or 'files'} cannot be read."
        )
    for name, expected in card["files"].items():
        path = version_folder / name
        if not path.is_file() or sha256_of_file(path) != expected:
            raise InputError(
                f"{version_folder} is damaged: {name} is missing or differs from what "
                "was exported. Copy the version again or export it again."
            )
    return card
