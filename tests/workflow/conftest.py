"""A cohort and an experiment for a whole chain of tiny models."""

from __future__ import annotations

import pytest
import yaml

from tests.helpers.striped_store import invoke


@pytest.fixture(scope="package")
def workplace(tmp_path_factory, repository):
    """A folder with a cohort of 12 phantom patients and the smoke experiment."""
    path = tmp_path_factory.mktemp("chain")
    made = invoke(
        "phantom", "--out", path / "cohort", "--patients", 12, "--image-size", 256
    )
    assert made.exit_code == 0, made.output
    document = yaml.safe_load((repository / "configs" / "smoke.yaml").read_text())
    document["evaluation"]["controls"] = False
    (path / "config.yaml").write_text(yaml.safe_dump(document))
    return path
