"""What `audit` tells a shell, and what other commands tell of it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from gastritis_gan import api
from gastritis_gan.cli.main import main
from tests.helpers.audits import DATE, change_card


@pytest.mark.parametrize(
    ("verdict", "exit_code"), [("pass", 0), ("fail", 3), ("undecided", 4)]
)
def test_the_exit_code_tells_the_verdict(monkeypatch, verdict, exit_code):
    result = SimpleNamespace(
        verdict=verdict, digest="why", report=Path("page"), metrics=Path("numbers")
    )
    monkeypatch.setattr(api, "audit", lambda *_, **__: result)
    done = CliRunner().invoke(
        main, ["audit", "--config", "c", "--store", "s", "--out", "o"]
    )
    assert done.exit_code == exit_code, done.output
    assert done.output.startswith("why\n\nReport:  page\nMetrics: numbers\n")


def test_json_is_the_whole_audit(monkeypatch, tmp_path):
    metrics = tmp_path / "audit.json"
    metrics.write_text('{"verdict": "undecided", "generators": []}')
    result = SimpleNamespace(verdict="undecided", metrics=metrics)
    monkeypatch.setattr(api, "audit", lambda *_, **__: result)
    done = CliRunner().invoke(
        main, ["audit", "--config", "c", "--store", "s", "--out", "o", "--json"]
    )
    assert done.exit_code == 4
    assert json.loads(done.output) == json.loads(metrics.read_text())


def test_no_verdict_is_another_exit_code(tmp_path):
    config = str(tmp_path / "absent.yaml")
    done = CliRunner().invoke(
        main, ["audit", "--config", config, "--store", "s", "--out", "o"]
    )
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ((), "no passing privacy audit of small/1 (not audited)."),
        (("fail",), "no passing privacy audit of small/1 (fail)."),
        (("pass", "undecided"), "no passing privacy audit of small/1 (undecided)."),
        (("fail", "pass"), ""),
    ],
)
def test_serve_reminds_of_an_audit(exported, tmp_path, verdicts, said):
    shutil.copytree(exported, tmp_path / "exported" / "small" / "1")
    audits = [{"verdict": v, "sha256": "0" * 64, "date": DATE} for v in verdicts]
    change_card(tmp_path / "exported" / "small" / "1", audits=audits)
    done = CliRunner().invoke(
        main, ["serve", "--exported-dir", str(tmp_path / "exported"), "--print",
               "command"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)
    assert "privacy" not in done.stdout


def test_sample_reminds_of_an_audit(exported, tmp_path):
    done = CliRunner().invoke(
        main, ["sample", str(exported), "--count", "1", "--out", str(tmp_path / "s")]
    )
    assert done.exit_code == 0, done.output
    assert "no passing privacy audit" in done.stderr
