"""Which state a run keeps, exports and is audited with."""

import contextlib
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.config import config_to_dict
from gastritis_gan.errors import InputError
from gastritis_gan.models.network import set_weights_by_name
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.training.fit import fit
from gastritis_gan.training.run import Run
from tests.helpers import judged_run
from tests.helpers.tiny_run import CONFIG, sections_of, stages_of


@pytest.fixture(scope="module")
def all_states_and_log(tmp_path_factory):
    """The run with a checkpoint after every step, and what standard error had of it."""
    sections = sections_of(
        dcgan=judged_run.DCGAN,
        training={"tick_images": 4, "checkpoint_images": 4, "keep_checkpoints": 99},
    )
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(io.StringIO()) as log,
    ):
        judged_run.script_quality(patch.setattr)
        run = fit(
            sections,
            judged_run.STORE,
            model="dcgan",
            target="positive",
            out=tmp_path_factory.mktemp("runs") / "all",
        )
    return run, log.getvalue()


@pytest.fixture(scope="module")
def all_states(all_states_and_log):
    return all_states_and_log[0]


def test_a_log_has_the_quality_of_every_tick(all_states_and_log):
    words = [f"quality {value:.3f}" for value in judged_run.QUALITY.values()]
    assert (
        re.findall(r"g_loss [\d.-]+, (quality [\d.na]+)", all_states_and_log[1])
        == words
    )


def arrays_at(run, step):
    path = run.path / "checkpoints" / f"step_{step:010d}.npz"
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def invoke_export(run, folder, *options):
    arguments = ["export", str(run.path), "--exported-dir", str(folder), *options]
    return CliRunner().invoke(main, arguments)


def test_killed_runs_end_with_the_same_states(all_states, tmp_path, repository):
    """Checkpoints by hand: 1 and 2, each the best so far; 4; 5, the best; 8.

    The first kill is half way through 5: resumed from 4, its tick comes again. The
    second is after 6: resumed from 5.
    """
    points = ("write:4", "step:2")
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.killed_runs", tmp_path / "run", "judged",
         *points],
        cwd=repository, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout) == len(points)
    run = Run.open(tmp_path / "run")
    steps = [int(path.stem[5:]) for path in (run.path / "checkpoints").iterdir()]
    assert sorted(steps) == [judged_run.BEST_STEP, 8]
    assert run.best_metrics()["step"] == judged_run.BEST_STEP
    for step in steps:
        actual, expected = arrays_at(run, step), arrays_at(all_states, step)
        assert actual.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(actual[name], array)
    assert ticks_of(run) == ticks_of(all_states)


def ticks_of(run):
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    return [{**json.loads(line), "images_per_second": 0} for line in lines]


@pytest.mark.parametrize(
    ("options", "choice", "step"),
    [((), "best", 5), (("--checkpoint", "last"), "last", 8)],
)
def test_the_chosen_state_is_exported(all_states, tmp_path, options, choice, step):
    result = invoke_export(all_states, tmp_path, "--name", "a", *options)
    assert result.exit_code == 0, result.output
    assert f"{choice}, after {4 * step} of 32 images; distance" in result.output
    model = ExportedModel.open(tmp_path / "a")
    assert model.card["checkpoint"] == {
        "choice": choice,
        "num_images": 4 * step,
        "total_images": 32,
        "quality": judged_run.QUALITY[step],
        "quality_floor": 0.1,
        "quality_other_class": 2.0,
        "quality_reference": "validation",
    }
    assert model.card["metrics"]["step"] == step
    assert model.card["num_images"] == 4 * step
    generator = stages_of("dcgan")[0].generator()
    prefix = "generator_ema/"
    set_weights_by_name(
        generator,
        {
            name.removeprefix(prefix): array
            for name, array in arrays_at(all_states, step).items()
            if name.startswith(prefix)
        },
    )
    latents = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
    served = tf.saved_model.load(str(model.path)).signatures["serving_default"]
    np.testing.assert_allclose(
        served(latents=tf.constant(latents))["images"],
        generator(latents, training=False),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("7", "has no checkpoint of 7. There are, in thousand images: 0.004, 0.008, "),
        ("0.0", "has several checkpoints of 0.0. There are"),
        ("newest", "must be best, last or a number of thousand images, not 'newest'"),
        ("nan", "must be best, last or a number of thousand images, not 'nan'"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused(all_states, tmp_path, checkpoint, message):
    result = invoke_export(
        all_states, tmp_path, "--name", "a", "--checkpoint", checkpoint
    )
    assert result.exit_code == 2
    assert message in result.output
    assert not list(tmp_path.iterdir())


def test_a_state_in_a_transition_is_refused(tmp_path):
    """By hand: 16 images at 4 pixels, then 12 of the transition, 4 a step."""
    run = Run(
        tmp_path / "run",
        {"model": "pggan", "target": "positive", "class_name": "x"},
        config_to_dict(CONFIG),
    )
    run.create()
    for step in (2, 4, 6, 11):
        (run.path / "checkpoints" / f"step_{step:010d}.npz").touch()
    result = invoke_export(run, tmp_path, "--name", "a", "--checkpoint", "0.024")
    assert result.exit_code == 2
    assert (
        "the checkpoint of 0.024 thousand images is in the middle of the transition to "
        "8 pixels and cannot be exported. The nearest that can be is 0.016."
    ) in result.output


@pytest.mark.parametrize(
    ("stable_images", "tick", "message"),
    [
        ({}, {"step": 11, "quality": 0.1, "quality_reference": "training"},
         "no validation patients"),
        ({}, {"step": 6, "quality": 0.1, "quality_reference": "validation"},
         "has not reached the stable phase at 8 pixels yet"),
        ({}, {"step": 11}, "no tick of its last stage has both"),
        ({4: 16, 8: 0}, {"step": 6, "quality": 0.1, "quality_reference": "validation"},
         "its schedule ends in a transition"),
    ],
)  # fmt: skip
def test_why_there_is_no_best(tmp_path, stable_images, tick, message):
    document = config_to_dict(CONFIG)
    if stable_images:
        document["schedule"]["stable_images"] = stable_images
    run = Run(
        tmp_path / "run",
        {"model": "pggan", "target": "positive", "class_name": "x"},
        document,
    )
    run.create()
    run.append_metrics(tick)
    result = invoke_export(run, tmp_path, "--name", "a", "--checkpoint", "best")
    assert result.exit_code == 2
    assert message in result.output


def test_an_audit_gets_the_discriminator_of_each_exported_state(all_states):
    """Scores of the states after 5 and 8 steps differ; another run's card is left."""
    card = all_states.metadata
    cards = [{**card, "num_images": 4 * step} for step in (5, 8)]
    patches = np.random.default_rng(1).uniform(-1, 1, (4, 8, 8, 1)).astype("float32")
    pairs = all_states.discriminators([*cards, {**card, "seed": 9}])
    assert [metadata["num_images"] for metadata, _ in pairs] == [20, 32]
    scores = [discriminate(patches) for _, discriminate in pairs]
    assert not np.array_equal(*scores)
    for kimg, expected in zip(("0.020", "0.032"), scores, strict=True):
        actual = all_states.discriminator(checkpoint=kimg)(patches)
        np.testing.assert_array_equal(actual, expected)
    with pytest.raises(InputError, match="none of these generators was exported from"):
        all_states.discriminators([{**card, "seed": 9}])
