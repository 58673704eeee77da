from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.Generator(np.random.Philox(key=1))


@pytest.fixture
def normal(rng):
    """Returns standard normal float32 arrays."""
    return lambda *shape: rng.normal(size=shape).astype(np.float32)
