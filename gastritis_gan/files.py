"""Files and folders that are either complete or absent: write beside, then rename."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError

_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a temporary sibling folder that becomes `path` when the block succeeds.

    A failing block leaves nothing behind. The temporary name starts with a dot and is
    no integer, so TensorFlow Serving does not take it for a version.

    Args:
        path: The folder to publish. Missing parents are made.

    Raises:
        InputError: `path` exists already.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
    try:
        yield partial
        partial.chmod(0o755)  # mkdtemp makes 0700; another user may have to serve this
        refuse_existing(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(path: Path) -> None:
    """Raises InputError when `path` exists: nothing is ever overwritten."""
    if path.exists():
        raise InputError(
            f"{path} exists already; nothing was changed. Give another path or remove "
            "it."
        )


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yields a sibling path; its file replaces `path` when the block succeeds."""
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.name}.partial-", dir=path.parent
    )
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.chmod(0o644)  # mkstemp makes 0600
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces the file `path` by `content` in one step, or leaves it as it was."""
    with new_file(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented UTF-8 JSON in one step."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: The file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except ValueError as error:
        raise InputError(
            f"{path} is not valid JSON ({error}); it may be damaged."
        ) from None


def sha256_of_file(path: Path) -> str:
    """Returns the SHA-256 of a file's content as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
