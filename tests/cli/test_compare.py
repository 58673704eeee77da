from __future__ import annotations

import json

import pytest

from tests.helpers.gan_train_results import make_result
from tests.helpers.striped_store import invoke


@pytest.fixture
def run(tmp_path):
    def run(first, second, *arguments):
        for name, result in (("first", first), ("second", second)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "results.json").write_text(json.dumps(result))
        return invoke("compare", tmp_path / "first", tmp_path / "second", *arguments)

    return run


def test_the_table_is_printed(run, tmp_path):
    result = run(make_result([5] * 10 + [0] * 10), make_result([5] * 5 + [0] * 15))
    assert result.exit_code == 0, result.output
    assert f"A: {tmp_path / 'first'}\nB: {tmp_path / 'second'}\n" in result.output
    (line,) = [x for x in result.output.splitlines() if x.startswith("LC-PGGAN")]
    assert line.split()[-4:] == ["(0.111", "to", "0.667)", "0.0625"]


def test_json_and_files_have_all_of_it(run, tmp_path):
    votes = [5] * 10 + [0] * 10, [5] * 5 + [0] * 15
    out = tmp_path / "out"
    result = run(*map(make_result, votes), "--json", "--out", out)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == json.loads(
        (out / "comparison.json").read_text()
    )
    assert "| 5 : 0 of 20 | 0.0625 |" in (out / "comparison.md").read_text()


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
