import json

import numpy as np
import pytest

from gastritis_gan.config import config_from_dict, load_config
from gastritis_gan.errors import InputError
from gastritis_gan.models.weights import get_weights_by_name
from gastritis_gan.training.checkpoint import load_latest_checkpoint
from gastritis_gan.training.run import load_run, train
from gastritis_gan.training.run_folder import RunFolder

from .fake_store import FakeStore
from .tiny import CONFIG, DOCUMENT, NUM_STEPS


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "lc"
    train(CONFIG, FakeStore(), model="lc_pggan", target="positive", run_dir=run_dir)
    return run_dir


def metrics(run_dir):
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_run_folder_holds_what_a_user_expects(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert names == {
        "run.json",
        "config.yaml",
        "checkpoints",
        "metrics.jsonl",
        "tensorboard",
        "sheet_000000016.png",
        "sheet_000000028.png",
        "sheet_000000044.png",
    }
    assert load_config(finished_run / "config.yaml") == CONFIG
    assert any((finished_run / "tensorboard").iterdir())


def test_ticks_come_every_eight_images_and_at_the_end_of_a_stage(finished_run):
    """By hand: stages of 4, 3 and 4 steps of 4 images; a tick every 2 steps."""
    records = metrics(finished_run)
    assert [r["step"] for r in records] == [2, 4, 6, 7, 9, 11]
    assert [r["num_images"] for r in records] == [8, 16, 24, 28, 36, 44]
    assert [r["resolution"] for r in records] == [4, 4, 8, 8, 8, 8]
    assert [round(r["alpha"], 3) for r in records] == [1, 1, 0.667, 1, 1, 1]
    assert all(np.isfinite(r["d_loss"]) and np.isfinite(r["g_loss"]) for r in records)


def test_the_facts_of_a_run(finished_run):
    facts = load_run(finished_run).facts
    assert facts.pop("config")["training"]["seed"] == 3
    assert facts == {
        "model": "lc_pggan",
        "target": "positive",
        "class_name": "gastritis",
        "split_hash": "ab" * 32,
        "resolution": 8,
        "latent_dim": 8,
        "num_images": 44,
        "seed": 3,
    }


def test_a_loaded_generator_has_the_averaged_weights(finished_run):
    state = load_latest_checkpoint(finished_run / "checkpoints")
    weights = get_weights_by_name(load_run(finished_run).generator)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, state.weights["generator_ema"][name])


def train_until(step, destination, *, monkeypatch):
    """Trains again and dies in the step after `step`, like a killed process."""

    class KilledError(Exception):
        pass

    from gastritis_gan.training import run

    def save_and_die(folder, state):
        original(folder, state)
        if state.step == step:
            raise KilledError

    original = run.save_checkpoint
    with monkeypatch.context() as patch:
        patch.setattr(run, "save_checkpoint", save_and_die)
        with pytest.raises(KilledError):
            train(
                CONFIG,
                FakeStore(),
                model="lc_pggan",
                target="positive",
                run_dir=destination,
            )


@pytest.mark.parametrize(
    "step",
    [4, 6, *(pytest.param(step, marks=pytest.mark.slow) for step in (2, 7, 9))],
)
def test_a_resumed_run_ends_bit_for_bit_like_the_uninterrupted_one(
    finished_run, tmp_path, monkeypatch, step
):
    """Killed inside a stage, at a growth, inside a fade and at the switch to Eq. 5."""
    resumed = tmp_path / "resumed"
    train_until(step, resumed, monkeypatch=monkeypatch)
    RunFolder(resumed).append_metrics({"step": step + 1})  # a tick that will be redone
    train(
        CONFIG,
        FakeStore(),
        model="lc_pggan",
        target="positive",
        run_dir=resumed,
        resume=True,
    )
    expected = load_latest_checkpoint(finished_run / "checkpoints")
    actual = load_latest_checkpoint(resumed / "checkpoints")
    assert actual.step == expected.step == NUM_STEPS
    for groups, others in (
        (actual.weights, expected.weights),
        (actual.slots, expected.slots),
    ):
        for group, arrays in others.items():
            for name, array in arrays.items():
                np.testing.assert_array_equal(groups[group][name], array)
    speed = "images_per_second"
    for left, right in zip(metrics(resumed), metrics(finished_run), strict=True):
        assert {**left, speed: 0} == {**right, speed: 0}


def test_lc_pggan_is_pggan_until_its_resolution(finished_run, tmp_path):
    """Eq. 2 and 5 differ from step 4 on, where 8 pixels begin."""
    pggan = tmp_path / "pggan"
    train(CONFIG, FakeStore(), model="pggan", target="positive", run_dir=pggan)
    left, right = metrics(pggan), metrics(finished_run)
    assert [r["d_loss"] for r in left[:2]] == [r["d_loss"] for r in right[:2]]
    assert left[2]["d_loss"] != right[2]["d_loss"]


def test_an_existing_run_is_refused_and_left_alone(finished_run):
    before = (finished_run / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        train(
            CONFIG, FakeStore(), model="pggan", target="positive", run_dir=finished_run
        )
    assert (finished_run / "metrics.jsonl").read_bytes() == before


def resume(run_dir, *, config=CONFIG, target="positive", store=None):
    train(
        config,
        store or FakeStore(),
        model="lc_pggan",
        target=target,
        run_dir=run_dir,
        resume=True,
    )


def test_resume_refuses_what_is_not_the_same_run(finished_run, tmp_path):
    other = config_from_dict({**DOCUMENT, "optimizer": {"ema_decay": 0.5}})
    with pytest.raises(InputError, match="another config"):
        resume(finished_run, config=other)
    with pytest.raises(InputError, match="target=positive, not negative"):
        resume(finished_run, target="negative")
    store = FakeStore()
    store.split_hash = "cd" * 32
    with pytest.raises(InputError, match="split_hash"):
        resume(finished_run, store=store)
    with pytest.raises(InputError, match="is not a run"):
        resume(tmp_path)


def test_an_empty_patch_set_is_named_before_a_folder_is_made(tmp_path):
    store = FakeStore()
    store.patch_set = lambda name, split: np.arange(0 if name == "outside" else 4)
    with pytest.raises(InputError, match="no outside patches"):
        train(
            CONFIG, store, model="lc_pggan", target="positive", run_dir=tmp_path / "run"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"adversarial_loss": "wgan_gp", "lc_resolution": 8}, "must be logistic"),
        ({"lc_resolution": 16}, "would never become conditional"),
    ],
)
def test_an_objective_that_lc_pggan_cannot_have(tmp_path, objective, message):
    config = config_from_dict({**DOCUMENT, "objective": objective})
    with pytest.raises(InputError, match=message):
        train(
            config,
            FakeStore(),
            model="lc_pggan",
            target="positive",
            run_dir=tmp_path / "run",
        )


def test_an_unfinished_run_is_not_exported(tmp_path, monkeypatch):
    run_dir = tmp_path / "stopped"
    train_until(6, run_dir, monkeypatch=monkeypatch)
    with pytest.raises(InputError, match="has done 6 of 11 steps"):
        load_run(run_dir)
