"""A handful of patches that are read, and whose features are kept, together."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

PATCHES_PER_BLOCK = 128  # 33 MB at 256 pixels
_CONTENT_VERSION = 2  # another one makes every cached feature stale


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchBlock:
    """Up to 128 patches, addressed by what is in them.

    Attributes:
        key: 64 hexadecimal digits, equal only for equal patches (see `content_key`).
        num_patches: At least 1.
        read: Function that returns the patches: shape `(num_patches, r, r, 1)`, in
            [-1, 1], the same at every call.
        generated: Whether the first `read` makes them, and keeps them on disk.
    """

    key: str
    num_patches: int
    read: Callable[[], NDArray[np.float32]]
    generated: bool = False


def content_key(*parts: Any) -> str:
    """Returns the SHA-256 of JSON-able facts that determine patches."""
    text = json.dumps([_CONTENT_VERSION, *parts], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
