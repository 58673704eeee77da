"""Exported models on disk: `exported/<name>/<version>/`, as a server expects them.

A version holds a SavedModel and `assets.extra/model_card.json`: what the generator is,
how it was trained, and the hash of every file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import reprlib
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gastritis_gan.cohort.cohort_settings import SUBJECT_KEYS, is_code_string
from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json, sha256_of_file, write_json

GRAPH_FILE = "saved_model.pb"
WEIGHTS_PREFIX = Path("variables") / "variables"
CARD_FILE = "assets.extra/model_card.json"

_CARD_FORMAT = 1
_NAME = re.compile(r"(?!.*\.$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_DEVICE_OF_WINDOWS = re.compile(r"(aux|con|nul|prn|com[0-9]|lpt[0-9])(\..*)?", re.I)
_VERSION = re.compile(r"[0-9]{1,19}")
_WEIGHTS = re.compile(r"variables/variables\.(index|data-[0-9]{5}-of-[0-9]{5})")
_OTHER_FILE = re.compile(
    r"fingerprint\.pb|batching_params\.pbtxt|assets\.extra/[A-Za-z0-9_][A-Za-z0-9_.-]*"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9T:+-]{10,25}")
_MOST_FILES = 100
_MOST_WEIGHT_BYTES = 4 << 30  # ten times the largest PGGAN
_MOST_BYTES = 64 << 20  # of any other file; our largest graph has 0.5 MB
_CHUNK_BYTES = 1 << 20


def is_safe_name(name: Any) -> bool:
    """Returns whether a name can be a file, a folder and part of an address as it is.

    It has up to 100 letters, digits, `_`, `.` and `-`, neither starts nor ends with a
    dot, and is no device of Windows, such as `con`.
    """
    return (
        isinstance(name, str)
        and _NAME.fullmatch(name) is not None
        and _DEVICE_OF_WINDOWS.fullmatch(name) is None
    )


def check_model_name(name: str) -> None:
    """Refuses a name that is unsafe as a folder or in a server's address.

    Raises:
        InputError: See `is_safe_name`.
    """
    if not is_safe_name(name):
        raise InputError(
            f"the model name {reprlib.repr(name)} cannot be used: up to 100 letters, "
            "digits, '_', '.' and '-' are allowed, the first must be a letter, a digit "
            "or '_', the last is not a dot, and devices of Windows are not allowed."
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
    card_path = version_folder / CARD_FILE
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
    graph = version_folder / GRAPH_FILE
    if not graph.is_file():
        raise InputError(
            f"{version_folder} is not an exported model: it has no {GRAPH_FILE}. "
            "Give a folder that `gastritis-gan export` has written."
        )
    weights = (version_folder / "variables").rglob("*")
    return hash_of_files(
        {
            path.relative_to(version_folder).as_posix(): sha256_of_file(path)
            for path in (graph, *weights)
            if path.is_file()
        }
    )


def hash_of_files(files: Mapping[str, str]) -> str:
    """Returns the model hash, as `model_hash` does, from the hashes of the files.

    Args:
        files: SHA-256 by the path in the version; others than those of graph and
            weights do not count.
    """
    digest = hashlib.sha256()
    for name in sorted(files, key=Path):
        if name == GRAPH_FILE or name.startswith("variables/"):
            digest.update(f"{name} {files[name]}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def private_copy(version_folder: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """Yields a copy of a version that nobody else can change, and then removes it.

    Args:
        version_folder: Folder of the version.
        files: SHA-256 by path, of a card; no other file is copied.

    Raises:
        InputError: A file is missing, is too large, or differs from its hash.
    """
    with tempfile.TemporaryDirectory(prefix="gastritis-gan-") as name:
        for path, expected in files.items():
            copy = Path(name, path)
            copy.parent.mkdir(exist_ok=True)
            with copy.open("xb") as stream:
                _check_file(version_folder, path, expected, stream.write)
        yield Path(name)


def _check_file(
    version_folder: Path,
    path: str,
    expected: str,
    write: Callable[[bytes], object] = len,
) -> None:
    """Reads a file once, writes what is read, and compares its hash."""
    limit = _MOST_WEIGHT_BYTES if _WEIGHTS.fullmatch(path) else _MOST_BYTES
    digest = hashlib.sha256()
    try:
        # Without O_NONBLOCK, opening a pipe would wait for a writer.
        descriptor = os.open(version_folder / path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError
            if status.st_size > limit:
                raise InputError(
                    f"{version_folder} was not opened: {path} has {status.st_size:,} "
                    f"bytes; the limit is {limit:,}. `gastritis-gan export` writes no "
                    "such file."
                )
            left = limit
            while left > 0 and (chunk := stream.read(min(_CHUNK_BYTES, left))):
                digest.update(chunk)
                write(chunk)
                left -= len(chunk)
    except (FileNotFoundError, NotADirectoryError):
        expected = ""
    except OSError as error:
        raise InputError(
            f"{version_folder}: {path} cannot be read ({error.strerror})."
        ) from None
    if digest.hexdigest() != expected:
        raise InputError(
            f"{version_folder} is damaged: {path} is missing or differs from what "
            "was exported. Copy the version again or export it again."
        )


def card_hash(card: Mapping[str, Any]) -> str:
    """Returns the identity of a card, 64 hexadecimal digits: all but its audits.

    It covers the hashes of all files, the name, the class, the split and the training.
    """
    content = {key: value for key, value in card.items() if key != "audits"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def add_audit(
    version_folder: Path, audit: Mapping[str, Any], *, audited: Mapping[str, Any]
) -> None:
    """Adds an audit to the list in a version's card; nothing else changes.

    Args:
        version_folder: Folder of one version.
        audit: Its `verdict`, the `sha256` of its `audit.json`, and its `date`.
        audited: The card of the model that was audited.

    Raises:
        InputError: The version is damaged, or is not what was audited.
    """
    card = read_model_card(version_folder)
    if card_hash(card) != card_hash(audited):
        raise InputError(
            f"{version_folder} was exchanged while it was audited; audit it again."
        )
    audits = [*card.get("audits", []), dict(audit)]
    write_json(version_folder / CARD_FILE, {**card, "audits": audits})


def audit_reminder(version_folders: Iterable[Path]) -> str | None:
    """Returns a line on the models without a passing audit, None if there are none.

    The last audit that a card records counts. Nothing else of a model is checked.

    Args:
        version_folders: Of the models.
    """
    found = [
        f"{folder.parent.name}/{folder.name} {verdict}"
        for folder in version_folders
        if (verdict := _last_verdict(folder)) != "(pass)"
    ]
    if not found:
        return None
    return (
        "Images may show training patients: there is no passing privacy audit of "
        f"{', '.join(found)}."
    )


def _last_verdict(version_folder: Path) -> str:
    try:
        card = read_json(version_folder / CARD_FILE)
        audits = card["audits"] if _is_list_of_audits(card.get("audits")) else []
    except (InputError, AttributeError):
        audits = []
    return f"({audits[-1]['verdict']})" if audits else "(not audited)"


def read_model_card(version_folder: Path) -> dict[str, Any]:
    """Reads a version's card and checks every file of the version against it.

    Raises:
        InputError: There is no card, it is damaged or of another format, or a file is
            missing or differs.
    """
    card_path = version_folder / CARD_FILE
    if not card_path.is_file():
        raise InputError(
            f"{version_folder} is not an exported model: it has no "
            f"{CARD_FILE}. Give a folder that `gastritis-gan export` has "
            "written."
        )
    card = read_json(card_path)
    if not isinstance(card, dict) or card.get("format") != _CARD_FORMAT:
        raise InputError(
            f"{card_path} is not a model card of format {_CARD_FORMAT}; export the "
            "model again with this version of gastritis-gan."
        )
    for key, (is_valid, rule) in _CARD_RULES.items():
        value = card.get(key)
        is_needed = key in _REQUIRED_KEYS or (
            key in _KEYS_OF_TRAINING and "split_hash" in card
        )
        if (key in card or is_needed) and not is_valid(value):
            raise InputError(
                f"{card_path} is damaged: `{key}` must be {rule}. Received: "
                f"{reprlib.repr(value)}."
            )
    for name, expected in card["files"].items():
        _check_file(version_folder, name, expected)
    return card


def is_class_name(name: Any) -> bool:
    """Returns whether a name of a class can be shown: up to 100 printable letters."""
    return isinstance(name, str) and 0 < len(name) <= 100 and name.isprintable()


def _integer(least: int, most: int) -> tuple[Callable[[Any], bool], str]:
    return (
        lambda value: type(value) is int and least <= value <= most,
        f"an integer from {least} to {most}",
    )


def _is_list_of_files(files: Any) -> bool:
    return (
        isinstance(files, dict)
        and len(files) <= _MOST_FILES
        and {GRAPH_FILE, f"{WEIGHTS_PREFIX.as_posix()}.index"} <= files.keys()
        and all(
            (path == GRAPH_FILE or _WEIGHTS.fullmatch(path) or _is_other_file(path))
            and isinstance(sha256, str)
            for path, sha256 in files.items()
        )
    )


def _is_list_of_audits(audits: Any) -> bool:
    return isinstance(audits, list) and all(
        isinstance(audit, dict)
        and audit.keys() == {"verdict", "sha256", "date"}
        and audit["verdict"] in ("pass", "fail", "undecided")
        and isinstance(audit["sha256"], str)
        and _SHA256.fullmatch(audit["sha256"])
        and isinstance(audit["date"], str)
        and _DATE.fullmatch(audit["date"])
        for audit in audits
    )


def _is_other_file(path: str) -> bool:
    return _OTHER_FILE.fullmatch(path) is not None and path != CARD_FILE


_CARD_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (is_safe_name, "a name of letters, digits, '_', '.' and '-'"),
    "version": _integer(0, 2**63 - 1),
    "class_name": (is_class_name, "a text of up to 100 characters"),
    "resolution": _integer(1, 4096),
    "latent_dim": _integer(1, 65_536),
    "files": (_is_list_of_files, "the files that `gastritis-gan export` writes"),
    "model": (is_safe_name, "the name of a network"),
    "target": (lambda value: value in ("positive", "negative"), "positive or negative"),
    "seed": _integer(0, 2**63 - 1),
    "split_hash": (is_class_name, "64 hexadecimal digits"),
    "split_mark": (is_class_name, "24 hexadecimal digits"),
    "num_images": _integer(0, 2**63 - 1),
    "num_parameters": _integer(1, 2**40),
    "tensorflow": (is_class_name, "a version"),
    "audits": (_is_list_of_audits, "a list of verdicts with hashes and dates"),
    **dict.fromkeys(SUBJECT_KEYS, (is_code_string, "a code string of DICOM")),
}
_REQUIRED_KEYS = ("name", "version", "class_name", "resolution", "latent_dim", "files")
_KEYS_OF_TRAINING = ("model", "target", "seed")
