"""Randomness as a function of (seed, purpose, step): nothing else decides a number.

A stream that is asked for again gives the same numbers, whatever was drawn in between,
in which process and in which order; streams of different purposes are unrelated.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_KEY_BYTES = 16  # of Philox


def stream(seed: int, purpose: str, *indices: int) -> np.random.Generator:
    """Returns the random numbers that serve one purpose.

    Args:
        seed: Integer of at least 0, from the experiment file or the caller.
        purpose: What the numbers decide, as in "split.positive"; unique in the project.
        indices: What counts within the purpose, such as the step or the image.

    Returns:
        A Philox generator at the start of its stream.
    """
    key = _digest(seed, purpose, indices)[:_KEY_BYTES]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def stateless_seed(seed: int, purpose: str, *indices: int) -> NDArray[np.int32]:
    """Returns the seed of `tf.random.stateless_*`, int32 of shape (2,).

    Args:
        seed: As of `stream`.
        purpose: As of `stream`.
        indices: As of `stream`.
    """
    return np.frombuffer(_digest(seed, purpose, indices)[-8:], np.int32)


def _digest(seed: int, purpose: str, indices: tuple[int, ...]) -> bytes:
    if seed < 0:
        raise ValueError(f"`seed` must be at least 0. Received: seed={seed}")
    words = [str(int(seed)), purpose, *(str(int(index)) for index in indices)]
    return hashlib.sha256("\0".join(words).encode()).digest()
