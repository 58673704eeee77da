from pathlib import Path

import numpy as np
import pytest

REFERENCE = Path(__file__).parents[2] / "../shared/reference/pggan_reference.npz"


@pytest.fixture(scope="session")
def reference():
    if not REFERENCE.is_file():
        pytest.skip("the reference numbers of ../shared are absent")
    with np.load(REFERENCE, allow_pickle=False) as archive:
        yield archive
