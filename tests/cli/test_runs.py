import json

import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.config import config_to_dict
from gastritis_gan.training.run import Run
from tests.helpers.tiny_run import CONFIG


def make_run(folder, name, records):
    record = {"model": "lc_pggan", "target": "positive", "class_name": "胃炎"}
    run = Run(folder / name, record, config_to_dict(CONFIG))
    run.create()
    for record in records:
        run.append_metrics(record)
    return run


@pytest.fixture
def folder(tmp_path):
    """The tiny run has 11 steps and 44 images, worked by hand in test_run.py."""
    common = {"resolution": 8, "phase": "stable", "verdicts": []}
    common["quality_reference"] = "validation"
    anchors = {"quality_floor": 0.01, "quality_other_class": 0.5, **common}
    losses = {"d_loss": 1.25, "g_loss": 0.5, "images_per_second": 250.0}
    losses |= {"diversity": 20.0, "real_diversity": 41.0}
    ticks = [
        {"step": 9, "num_images": 36, "quality": 0.12, **anchors},
        {"step": 11, "num_images": 44, "quality": 0.1234, **losses, **anchors},
    ]
    make_run(tmp_path, "a", ticks)
    stopped = {**common, "verdicts": ["3 steps were skipped."]}
    make_run(tmp_path, "b", [{"step": 6, "num_images": 22, "quality": 3.0, **stopped}])
    make_run(tmp_path, "c", [])
    (tmp_path / "notes").mkdir()
    return tmp_path


def shown(folder):
    result = CliRunner().invoke(main, ["runs", str(folder)])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_the_runs_of_a_folder(folder):
    """Two kanji take four columns."""
    assert shown(folder) == [
        "run       model     class  state     done  px  quality  floor  other  best",
        "a         lc_pggan  胃炎   finished  100%  8   0.123    0.010  0.500  0.120",
        "b         lc_pggan  胃炎   stopped   50%   8   3.000",
        "c         lc_pggan  胃炎   stopped   0%    0",
        "b: 3 steps were skipped.",
    ]


def test_one_run(folder):
    assert shown(folder / "a") == [
        "a: lc_pggan of 胃炎 (positive)",
        "finished: 44 of 44 images (100%)",
        "quality 0.123 against validation patients (floor 0.010, other class 0.500)",
        "best 0.120, after 36 images",
        "",
        "phase        kimg  images/s  d_loss  g_loss  diversity  of real  quality",
        "8 px stable  0.0   250       1.250   0.500   20.0       41.0     0.123",
    ]
    assert shown(folder / "b")[-1] == "3 steps were skipped."
    assert shown(folder / "c")[1:] == ["stopped: 0 of 44 images (0%)"]


def test_one_run_as_json(folder):
    result = CliRunner().invoke(main, ["runs", str(folder / "a"), "--json"])
    assert json.loads(result.output)["best_quality"] == 0.12


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
        assert "running" in shown(folder)[3]


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
