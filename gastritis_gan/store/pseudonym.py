"""Keyed pseudonyms: without the key nobody can test a guessed name."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from gastritis_gan.errors import InputError

_KEY_BYTES = 32
_PSEUDONYM_DIGITS = (
    24  # 96 bits: two of a million images collide with probability 1e-17
)


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


def key_path_of(store_path: Path) -> Path:
    """Returns the file beside a store that holds its key."""
    return store_path.with_name(f"{store_path.name}.key")


def load_or_make_key(path: Path) -> bytes:
    """Reads the key in `path`, or draws a new one without writing it.

    Raises:
        InputError: The file is not a key.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return secrets.token_bytes(_KEY_BYTES)
    if len(key) != _KEY_BYTES:
        raise InputError(
            f"{path} holds {len(key)} bytes, not a key of {_KEY_BYTES}. Restore it, or "
            "remove it to get new pseudonyms."
        )
    return key


def keep_key(path: Path, key: bytes) -> None:
    """Writes the key, readable by its owner only, unless it is there already."""
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.partial-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
