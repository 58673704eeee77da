"""The model card: what an exported generator is, in `assets.extra/model_card.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json, sha256_of_file, write_json

CARD_FORMAT = 1

_CARD_PATH = Path("assets.extra") / "model_card.json"
_REQUIRED_KEYS = ("name", "version", "class_name", "resolution", "latent_dim", "files")


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
    write_json(card_path, {"format": CARD_FORMAT, **content, **hashed})


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
    if not isinstance(card, dict) or card.get("format") != CARD_FORMAT:
        raise InputError(
            f"{card_path} is not a model card of format {CARD_FORMAT}; export the "
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
