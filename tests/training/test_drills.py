"""Runs that go wrong are stopped or named by a verdict."""

import dataclasses
import json
import threading

import numpy as np
import pytest

from gastritis_gan.config import config_from_dict
from gastritis_gan.errors import InputError
from gastritis_gan.training.checkpoint import load_latest_checkpoint
from gastritis_gan.training.fit import fit
from tests.helpers.tiny_run import DOCUMENT, FakeStore


class ManyPatches(FakeStore):
    """120 patches, one an image; the last ten positive ones validate."""

    def __init__(self):
        super().__init__(360)

    def patch_set(self, name, split):
        patches = super().patch_set(name, "train")
        return patches[110:] if split == "validation" else patches[:110]


class FewImages(ManyPatches):
    def __init__(self):
        super().__init__()
        self.patch_image = np.arange(360) % 8


class ConstantImages(ManyPatches):
    def window(self, index):
        return np.full((16, 16), 90, np.uint8)


def config(num_images, **optimizer):
    return config_from_dict(
        {
            **DOCUMENT,
            "schedule": {
                **DOCUMENT["schedule"],
                "initial_resolution": 8,
                "stable_images": num_images,
                "batch_size": 8,
            },
            "dcgan": {**DOCUMENT["dcgan"], "num_images": num_images, "batch_size": 8},
            "optimizer": {**DOCUMENT["optimizer"], **optimizer},
            "training": {
                "tick_images": num_images // 4,
                "checkpoint_images": num_images // 4,
                "health_patches": 64,
            },
        }
    ).training_sections


def verdicts_of(run_dir, experiment, store, *, model="dcgan"):
    """Trains a DCGAN, whose graph is traced at once, where any model would do."""
    fit(experiment, store, model=model, target="positive", out=run_dir)
    lines = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [sentence for line in lines for sentence in json.loads(line)["verdicts"]]


def test_eight_images_are_named(tmp_path):
    found = verdicts_of(tmp_path / "run", config(64), FewImages())
    assert any("come from few images, 8" in sentence for sentence in found)


@pytest.mark.slow
def test_constant_images_are_named(tmp_path):
    found = verdicts_of(tmp_path / "run", config(64), ConstantImages())
    assert any("all look the same" in sentence for sentence in found)


@pytest.mark.slow
def test_a_few_damaged_patches_are_named(tmp_path, monkeypatch):
    """Every seventh batch has a patch that is not a number: never ten in a row."""
    spoil(monkeypatch, lambda step: step % 7 == 0)
    found = verdicts_of(tmp_path / "run", config(256), ManyPatches())
    assert any("a loss or gradient was not finite in" in s for s in found)


def test_nothing_but_damaged_patches_stops_at_the_last_good_checkpoint(
    tmp_path, monkeypatch
):
    """By hand: steps 12 to 22 are one more than the ten that a run skips in a row."""
    spoil(monkeypatch, lambda step: step >= 12)
    with pytest.raises(InputError, match="11 steps in a row had a loss or gradient"):
        verdicts_of(tmp_path / "run", config(256), ManyPatches())
    state = load_latest_checkpoint(tmp_path / "run" / "checkpoints")
    for arrays in state.weights.values():
        assert all(np.isfinite(array).all() for array in arrays.values())


def spoil(monkeypatch, is_spoilt):
    """Puts a patch that is not a number into the batches of some steps."""
    from gastritis_gan.store import dataset

    draw_indices, read_patches = dataset.draw_indices, dataset.read_patches
    drawn = threading.local()  # steps are read in parallel, each in one thread

    def draw(pool, *, step, **options):
        drawn.step = step
        return draw_indices(pool, step=step, **options)

    def read_damaged(*arguments, **options):
        patches = read_patches(*arguments, **options)
        if is_spoilt(drawn.step):
            patches[0] = np.nan
        return patches

    monkeypatch.setattr(dataset, "draw_indices", draw)
    monkeypatch.setattr(dataset, "read_patches", read_damaged)


@pytest.mark.slow
def test_a_learning_rate_a_hundred_times_too_high_is_stopped_or_named(tmp_path):
    """The generator collapses and recovers, again and again: many ticks see it."""
    usual = config(4000, learning_rate=0.1)
    training = dataclasses.replace(usual.training, tick_images=200)
    experiment = dataclasses.replace(usual, training=training)
    try:
        found = verdicts_of(tmp_path / "run", experiment, ManyPatches(), model="pggan")
    except InputError as error:
        found = [str(error)]
    assert any("learning_rate" in sentence for sentence in found), found


@pytest.mark.slow
def test_the_same_run_at_the_usual_learning_rate_is_left_alone(tmp_path):
    found = verdicts_of(tmp_path / "run", config(4000), ManyPatches(), model="pggan")
    assert not found
