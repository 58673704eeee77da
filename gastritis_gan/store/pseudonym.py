"""The secret key of a store: pseudonyms, and hashes that notice a changed input.

Without the key nobody can test a guessed name, nor whether a file that they have is in
the store.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gastritis_gan.cohort.cohort import (
    CohortImage,
    file_error,
    naming_row,
    split_number,
)
from gastritis_gan.errors import InputError
from gastritis_gan.storage import (
    private_files,
    private_folder,
    sha256_of_file,
    write_bytes,
)

_KEY_BYTES = 32
_MOST_KEY_BYTES = 1000  # that are read of what is given as a key
# 96 bits: two of a million images collide with probability 1e-17.
_PSEUDONYM_DIGITS = 24


def pseudonym(key: bytes, domain: str, identifier: str) -> str:
    """Returns 24 hexadecimal digits that stand for `identifier`.

    Args:
        key: The secret of `load_or_make_key`.
        domain: What is named, as in "patient"; equal identifiers of two domains get
            unrelated pseudonyms.
        identifier: The name to hide.
    """
    message = f"{domain}\0{identifier}".encode()
    return hmac.digest(key, message, "sha256").hex()[:_PSEUDONYM_DIGITS]


def seal(key: bytes, domain: str, content: Any) -> str:
    """Returns what only somebody with the key can make of a content.

    Args:
        key: The secret of `load_or_make_key`.
        domain: What is sealed, as in "audit".
        content: JSON-able; the order of its keys does not count.

    Returns:
        HMAC-SHA256 of the domain, a NUL and the content as JSON, 64 hexadecimal digits.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key, f"{domain}\0{text}".encode(), "sha256").hex()


def key_path_of(store_path: Path) -> Path:
    """Returns where a store's key is unless the user names another file: beside it."""
    return store_path.parent / f"{store_path.name}.key"


def load_or_make_key(path: Path) -> bytes:
    """Reads the key in `path`, or draws a new one without writing it.

    Raises:
        InputError: The file is not a key.
    """
    return read_key(path) if path.exists() else secrets.token_bytes(_KEY_BYTES)


def read_key(path: Path) -> bytes:
    """Reads the key in `path`.

    Raises:
        InputError: There is none, or the file is not a key.
    """
    try:
        with path.open("rb") as stream:
            key = stream.read(_MOST_KEY_BYTES)
    except FileNotFoundError:
        raise InputError(
            f"{path} does not exist; give the key of the store, which `prepare` has "
            "written, with --key-file."
        ) from None
    if len(key) != _KEY_BYTES:
        raise InputError(
            f"{path} holds {len(key)} bytes, not a key of {_KEY_BYTES}. Restore it, or "
            "remove it to get new pseudonyms."
        )
    return key


def split_mark(key: bytes, split_hash: str) -> str:
    """Returns what releases have of a split: without the key it tells nothing.

    Who has the cohort can hash every split of it, and so recognise the hash itself.
    """
    return pseudonym(key, "split", split_hash)


def keep_key(path: Path, key: bytes) -> None:
    """Writes the key, and a folder that it needs, for its owner alone; once."""
    if path.exists():
        return
    private = private_files if path.parent.exists() else private_folder
    with private(path.parent):
        write_bytes(path, key)


def hash_cohort(
    images: Iterable[CohortImage], splits: dict[str, str], *, secret: bytes
) -> str:
    """Returns a keyed hash of the rows, without their order and what files hold.

    Args:
        images: The rows of the cohort.
        splits: "train", "validation" or "test" for every patient.
        secret: The key.
    """
    rows = [
        {
            "name": row.name,
            "patient": row.patient,
            "label": row.label,
            "split": splits[row.patient],
            **({"split_given": True} if row.split else {}),
        }
        for row in sorted(images, key=lambda row: row.name)
    ]
    return pseudonym(secret, "cohort", json.dumps(rows, sort_keys=True))


def hash_inputs(row: CohortImage, *, secret: bytes) -> dict[str, str | None]:
    """Returns keyed hashes of the image file and the outline file."""
    hashes: dict[str, str | None] = {}
    for name, path in (("image", row.image), ("outline", row.outline)):
        with naming_row(row.row, name):
            hashes[name] = (
                None if path is None else _hash_file(path, name, secret=secret)
            )
    return hashes


def _hash_file(path: Path, domain: str, *, secret: bytes) -> str:
    file, part = split_number(path)
    try:
        return pseudonym(secret, domain, f"{sha256_of_file(file)}#{part}")
    except OSError as error:
        raise file_error(path, f"cannot be read ({error.strerror}).") from None


def refuse_changed_files(
    path: Path, row: CohortImage, recorded: dict[str, Any], found: dict[str, Any]
) -> None:
    """Raises InputError when a file's hash is not the recorded one.

    Args:
        path: The store, or the unfinished one.
        row: The files.
        recorded: Their hashes then.
        found: Their hashes now.
    """
    for name, file in (("image", row.image), ("outline", row.outline)):
        if recorded[name] != found[name]:
            problem = f"the {name} is not the one that {path} was made from."
            with naming_row(row.row, name):
                raise file_error(file or row.image, f"{problem} {way_out(path)}")


def way_out(path: Path) -> str:
    """Returns the sentences that end the refusal of a changed input."""
    return (
        "Nothing was changed. Restore the old input, prepare into another path, or "
        f"remove {path} to start again."
    )
