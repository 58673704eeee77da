from __future__ import annotations

import pytest

from gastritis_gan.privacy.subjects import choose_cohort
from tests.helpers.browser import browser as browser
from tests.helpers.small_store import SmallStore


@pytest.fixture(scope="session")
def store() -> SmallStore:
    """24 training, 24 test and 8 fresh patients of one class."""
    return SmallStore(num_training=24, num_test=24, num_fresh=8)


@pytest.fixture(scope="session")
def cohort(store):
    return choose_cohort(store, "positive", seed=0)
