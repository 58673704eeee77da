import numpy as np
import pytest


@pytest.fixture(scope="session")
def reference(shared_dir):
    path = shared_dir / "reference" / "pggan_reference.npz"
    if not path.is_file():
        pytest.skip("needs the reference numbers in the folder 'shared'")
    with np.load(path, allow_pickle=False) as archive:
        yield archive
