from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.helpers.cohorts import make_cohort as make_cohort
from tests.helpers.cohorts import make_store as make_store
from tests.helpers.exported_models import exported as exported
from tests.helpers.exported_models import generator as generator
from tests.helpers.exported_models import metadata as metadata
from tests.helpers.exported_models import other_exported as other_exported

# As the command line does, and before TensorFlow is imported: a command that is called
# in one test must not change the arithmetic of processes that other tests start.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

# Speed is measured in benchmarks/, never in a test; a test draws the same every time.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Reference numbers and real data beside the repository, where there are any."""
    path = REPOSITORY.parent / "shared"
    if not path.is_dir():
        pytest.skip("needs the folder 'shared' beside the repository")
    return path
