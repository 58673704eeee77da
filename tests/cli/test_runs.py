import json

import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.config import config_to_dict
from gastritis_gan.training.run import Run
from tests.helpers.tiny_run import CONFIG


def make_run(folder, name, records):
    record = {"model": "lc_pggan", "target": "positive"}
    run = Run(folder / name, record, config_to_dict(CONFIG))
    run.create()
    for record in records:
        run.append_metrics(record)
    return run


@pytest.fixture
def folder(tmp_path):
    """The tiny run has 11 steps and 44 images, worked by hand in test_run.py."""
    common = {"resolution": 8, "verdicts": [], "quality_reference": "validation"}
    anchors = {"quality_floor": 0.01, "quality_other_class": 0.5, **common}
    ticks = [
        {"step": 9, "num_images": 36, "quality": 0.12, **anchors},
        {"step": 11, "num_images": 44, "quality": 0.1234, **anchors},
    ]
    make_run(tmp_path, "a", ticks)
    stopped = {**common, "verdicts": ["3 steps were skipped."]}
    make_run(tmp_path, "b", [{"step": 6, "num_images": 22, "quality": 3.0, **stopped}])
    make_run(tmp_path, "c", [])
    (tmp_path / "notes").mkdir()
    return tmp_path


def table(folder):
    result = CliRunner().invoke(main, ["runs", str(folder)])
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.output.splitlines()]


def test_the_runs_of_a_folder(folder):
    assert table(folder) == [
        [
            "run",
            "model",
            "target",
            "state",
            "done",
            "kimg",
            "px",
            "quality",
            "floor",
            "other",
            "best",
            "at",
            "kimg",
        ],
        [
            "a",
            "lc_pggan",
            "positive",
            "finished",
            "100%",
            "0.0",
            "8",
            "0.123",
            "0.010",
            "0.500",
            "0.120",
            "0.0",
        ],
        ["b", "lc_pggan", "positive", "stopped", "50%", "0.0", "8", "3.000"],
        ["c", "lc_pggan", "positive", "stopped", "0%", "0.0", "0"],
        ["b:", "3", "steps", "were", "skipped."],
    ]


def test_the_runs_as_json(folder):
    result = CliRunner().invoke(main, ["runs", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert [(run["name"], run["state"], run["num_images"]) for run in found] == [
        ("a", "finished", 44),
        ("b", "stopped", 22),
        ("c", "stopped", 0),
    ]
    assert found[1]["verdicts"] == ["3 steps were skipped."]


def test_a_run_that_is_being_trained(folder):
    with Run.open(folder / "c").locked():
        assert table(folder)[3][3] == "running"


def test_a_folder_without_runs_is_refused(tmp_path):
    for path, message in (
        (tmp_path, "holds no runs"),
        (tmp_path / "x", "is not a folder"),
    ):
        result = CliRunner().invoke(main, ["runs", str(path)])
        assert result.exit_code == 2
        assert message in result.output


def test_a_damaged_run_is_named(folder):
    (folder / "b" / "run.json").write_text(json.dumps({"format": 99}))
    result = CliRunner().invoke(main, ["runs", str(folder)])
    assert result.exit_code == 2
    assert "earlier version" in result.output
