from __future__ import annotations

import hashlib

import numpy as np
import pytest

from gastritis_gan.rng import stateless_seed, stream


def test_a_stream_is_philox_with_the_hash_of_its_names_as_key():
    digest = hashlib.sha256(b"7\0split.positive\x003").digest()
    key = int.from_bytes(digest[:16], "little")
    expected = np.random.Generator(np.random.Philox(key=key)).integers(1 << 40, size=9)
    actual = stream(7, "split.positive", 3).integers(1 << 40, size=9)
    np.testing.assert_array_equal(actual, expected)


def test_streams_differ_by_seed_purpose_and_index():
    streams = [stream(0, "a"), stream(1, "a"), stream(0, "b"), stream(0, "a", 0)]
    streams += [
        stream(0, "a", 1),
        stream(0, "a", 0, 0),
        stream(10, "a"),
        stream(0, "a0"),
    ]
    numbers = {tuple(s.integers(1 << 62, size=2)) for s in streams}
    assert len(numbers) == len(streams)


def test_the_seed_of_tensorflow_has_the_last_eight_bytes():
    digest = hashlib.sha256(b"7\0step\x003").digest()
    seed = stateless_seed(7, "step", 3)
    assert seed.dtype == np.int32
    assert seed.tobytes() == digest[-8:]


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="`seed` must be at least 0"):
        stream(-1, "a")
