"""`gastritis-gan export`."""

import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.config import config_to_dict
from gastritis_gan.models.network import get_weights_by_name
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.training.checkpoint import NETWORKS, OPTIMIZERS, TrainingState
from gastritis_gan.training.run import Run
from tests.helpers.tiny_run import CONFIG


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def run(tmp_path):
    """A run of 44 images with the initial weights of its generator at the end."""
    record = {"model": "pggan", "target": "positive", "class_name": "gastritis"}
    run = Run(tmp_path / "run", {**record, "split_hash": "ab"}, config_to_dict(CONFIG))
    run.create()
    last = run.recipe.stages[-1]
    weights = {name: {} for name in NETWORKS}
    run.save_checkpoint(
        TrainingState(
            step=last.stage.end_step,
            resolution=8,
            weights={**weights, "generator_ema": get_weights_by_name(last.generator())},
            slots={name: {} for name in OPTIMIZERS},
            metrics={},
        )
    )
    return run


def test_export(run, tmp_path):
    arguments = ("export", run.path, "--exported-dir", tmp_path, "--name")
    result = invoke(*arguments, "b")
    assert result.exit_code == 0, result.output
    assert "Exported b, version 1" in result.output
    assert "Checkpoint:  last, after 44 of 44 images\n" in result.output
    assert str(tmp_path / "b" / "1") in result.output
    assert ExportedModel.open(tmp_path / "b").card["seed"] == 3
    result = invoke(*arguments, "b/c")
    assert result.exit_code == 2
    assert "model name 'b/c'" in result.output


def test_export_of_no_run(tmp_path):
    result = invoke("export", tmp_path / "absent", "--name", "a")
    assert result.exit_code == 2, result.output
    assert "absent" in result.output
