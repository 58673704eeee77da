from __future__ import annotations

import json

import pytest

from tests.helpers.gan_train_results import make_result
from tests.helpers.striped_store import invoke


@pytest.fixture
def run(tmp_path):
    def run(first, second):
        for name, result in (("first", first), ("second", second)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "results.json").write_text(json.dumps(result))
        return invoke("compare", tmp_path / "first", tmp_path / "second")

    return run


def test_the_table_is_printed(run):
    result = run(make_result([5] * 10 + [0] * 10), make_result([5] * 5 + [0] * 15))
    assert result.exit_code == 0, result.output
    assert "| 5 : 0 of 20 | 0.0625 |" in result.output


def test_another_format_is_refused(run):
    votes = [5] * 10 + [0] * 10
    result = run(make_result(votes), make_result(votes, format=1))
    assert result.exit_code == 2
    assert "not a GAN-train result of format 3" in result.output
    assert "Traceback" not in result.output


def test_a_folder_without_a_result_is_refused(tmp_path):
    result = invoke("compare", tmp_path, tmp_path)
    assert result.exit_code == 2
    assert "results.json does not exist" in result.output
