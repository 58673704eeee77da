"""Runs that continue with another config: what may change, and what is noted."""

import copy
import json
import shutil

import numpy as np
import pytest
import yaml

from gastritis_gan.config import config_from_dict, config_to_dict
from gastritis_gan.errors import InputError
from gastritis_gan.training.fit import fit
from gastritis_gan.training.run import Run
from tests.helpers.tiny_run import DOCUMENT, FakeStore


def config_of(**changes):
    document = copy.deepcopy(DOCUMENT)
    document["training"]["keep_checkpoints"] = 9
    for name, keys in changes.items():
        document[name] = {**document.get(name, {}), **keys}
    return config_from_dict(document)


def train(run_dir, *, model="dcgan", resume=False, **changes):
    config = config_of(**changes)
    return fit(
        config.training_sections,
        FakeStore(),
        model=model,
        target="positive",
        out=run_dir,
        resume=resume,
        document=config_to_dict(config),
    )


def record_of(run):
    return json.loads((run.path / "run.json").read_text()).get("config_changes")


def last_arrays(run):
    path = max((run.path / "checkpoints").glob("step_*.npz"))
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def assert_same_state(run, other):
    actual, expected = last_arrays(run), last_arrays(other)
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)


SHORT, LONG = {"num_images": 16}, {"num_images": 32}
FASTER = {**LONG, "learning_rate": 0.001}


@pytest.fixture(scope="module")
def short_run(tmp_path_factory):
    """A finished run of 4 steps."""
    return train(tmp_path_factory.mktemp("runs") / "short", dcgan=SHORT)


@pytest.fixture
def run(short_run, tmp_path):
    """A copy of it."""
    return Run.open(shutil.copytree(short_run.path, tmp_path / "run"))


def test_a_longer_last_stage_ends_like_one_that_was_so_long(run, tmp_path):
    longer = train(run.path, resume=True, dcgan=LONG)
    assert_same_state(longer, train(tmp_path / "long", dcgan=LONG))
    assert Run.open(run.path).state == "finished"
    change = {"num_images": 16, "key": "dcgan.num_images", "before": 16, "after": 32}
    assert record_of(longer) == [change]
    assert yaml.safe_load((run.path / "config.yaml").read_text()) == config_to_dict(
        config_of(dcgan=LONG)
    )
    # the card of an earlier state has what held until there
    card = longer.export(tmp_path, name="a", checkpoint=0.016).card
    assert card["config"]["dcgan"]["num_images"] == 16
    assert card["config_changes"] == []


def test_killed_after_a_change_ends_like_never_killed(run, tmp_path, monkeypatch):
    """Killed between the notes of the change, and in the first checkpoint after it."""
    never = Run.open(shutil.copytree(run.path, tmp_path / "never"))
    train(never.path, resume=True, dcgan=FASTER)
    for method in ("_write_config", "save_checkpoint"):
        with monkeypatch.context() as patch:
            patch.setattr(Run, method, lambda *arguments: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                train(run.path, resume=True, dcgan=FASTER)
    train(run.path, resume=True, dcgan=FASTER)
    assert_same_state(run, never)
    assert [(c["num_images"], c["key"]) for c in record_of(run)] == [
        (16, "dcgan.num_images"),
        (16, "dcgan.learning_rate"),
    ]
    assert record_of(run) == record_of(never)


def test_a_change_that_never_held_is_not_in_the_record(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_write_config", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(run.path, resume=True, dcgan=FASTER)
    train(run.path, resume=True, dcgan=SHORT)
    assert record_of(run) == []


def test_what_comes_after_training_may_change(run):
    train(run.path, resume=True, dcgan=SHORT, evaluation={"svm_c": 2.0})
    config = yaml.safe_load((run.path / "config.yaml").read_text())
    assert config["evaluation"]["svm_c"] == 2.0
    assert record_of(run) is None


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        ("networks", {"fmap_max": 4}, "`networks.fmap_max`: 8, and this config has 4."),
        ("training", {"seed": 4}, "`training.seed`: 3, and this config has 4."),
        ("schedule", {"stable_images": {4: 20, 8: 16}}, "`schedule.stable_images`: 16"),
        ("schedule", {"transition_images": 16}, "`schedule.transition_images`: 12, "),
        ("patches", {"stride": 8}, "`patches.stride`: 16, and this config has 8."),
    ],
)
def test_what_decides_on_steps_that_are_done_may_not_change(
    tmp_path, section, keys, message
):
    run = Run(
        tmp_path / "run",
        {"model": "pggan", "target": "positive", "class_name": "gastritis",
         "split_hash": "ab" * 32, "organ": "stomach"},
        config_to_dict(config_of()),
    )  # fmt: skip
    run.create()
    before = (run.path / "config.yaml").read_bytes()
    with pytest.raises(InputError) as caught:
        train(run.path, model="pggan", resume=True, **{section: keys})
    assert message in str(caught.value)
    assert "may change the length of its last stage" in str(caught.value)
    assert (run.path / "config.yaml").read_bytes() == before
    assert record_of(run) is None


def test_a_run_is_not_cut_shorter_than_it_is(run):
    with pytest.raises(
        InputError, match=r"has shown 16 images, and `dcgan\.num_images`: 8"
    ):
        train(run.path, resume=True, dcgan={"num_images": 8})


def test_without_resume_a_run_says_how_far_it_is(run, tmp_path):
    with pytest.raises(InputError, match="exists already: it is finished, after 16 of"):
        train(run.path, dcgan=SHORT)
    longer = config_to_dict(config_of(dcgan=LONG))
    (run.path / "config.yaml").write_text(yaml.safe_dump(longer))
    message = "it has stopped after 16 of 32 images. To continue it, add --resume"
    with pytest.raises(InputError, match=message):
        train(run.path, dcgan=LONG)
