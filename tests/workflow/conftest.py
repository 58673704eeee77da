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


@pytest.fixture(scope="package")
def chain(workplace):
    """The folder of a chain that one command has made."""
    out = workplace / "whole"
    result = invoke(
        "reproduce", "--config", workplace / "config.yaml",
        "--cohort", workplace / "cohort", "--out", out,
        "--", "--cores", "2", "--set-threads", "fit=1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "LC-PGGAN + PGGAN" in result.output
    return out
