import collections
import contextlib
import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gastritis_gan.config import config_from_dict, config_to_dict, load_config
from gastritis_gan.errors import InputError
from gastritis_gan.models.network import get_weights_by_name
from gastritis_gan.training import fit as training
from gastritis_gan.training import recipe
from gastritis_gan.training.callbacks import Every, RunInterruptedError
from gastritis_gan.training.checkpoint import load_latest_checkpoint
from gastritis_gan.training.run import Run
from tests.helpers.tiny_run import CONFIG, DOCUMENT, NUM_STEPS, FakeStore

TILES = ((0, 0), (0, 66), (66, 0), (66, 66))  # of a sheet of two columns


def fit(run_dir, *, config=CONFIG, store=None, model="lc_pggan", **options):
    """Trains the tiny experiment as the command line does."""
    options.setdefault("target", "positive")
    return training.fit(
        config.training_sections,
        store or FakeStore(),
        model=model,
        out=run_dir,
        document=config_to_dict(config),
        **options,
    )


@pytest.fixture(scope="module")
def finished_run_and_log(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "lc"
    with contextlib.redirect_stderr(io.StringIO()) as log:
        fit(run_dir)
    return run_dir, log.getvalue()


@pytest.fixture(scope="module")
def finished_run(finished_run_and_log):
    return finished_run_and_log[0]


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
        "lock",
        "reals.png",
        *(f"sheet_0000000{num_images}.png" for num_images in (16, 24, 28, 36, 44)),
        "sheet_000000008.png",
    }
    assert load_config(finished_run / "config.yaml") == CONFIG


def test_a_log_has_a_line_for_every_tick(finished_run_and_log):
    run_dir, log = finished_run_and_log
    assert not {"\r", "\x1b"} & set(log)
    lines = [line for line in log.splitlines() if ", g_loss " in line]
    ticks = metrics(run_dir)
    assert len(lines) == len(ticks)
    stages = ["4 px stable"] * 2 + ["8 px transition"] * 2 + ["8 px stable"] * 2
    for line, tick, stage in zip(lines, ticks, stages, strict=True):
        share = round(100 * tick["num_images"] / 44)
        assert line.startswith(
            f"lc, 0.0 kimg ({share}%), {stage}: d_loss {tick['d_loss']:.3f}, "
            f"g_loss {tick['g_loss']:.3f}"
        )
    assert lines[-1].endswith("images/s, about 00:00 left")


def test_tensorboard_reads_the_events_and_no_name_tells_the_machine(finished_run):
    from tensorboard.backend.event_processing import event_accumulator

    folder = finished_run / "tensorboard"
    assert [path.name for path in folder.iterdir()] == ["events.out.tfevents.000000"]
    events = event_accumulator.EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    assert "images/synthetic" in tags["images"]
    points = events.Scalars("progress/alpha")
    assert [point.step for point in points] == [8, 16, 24, 28, 36, 44]


def test_real_patches_lie_beside_the_samples(finished_run):
    """Four positive patches of 16 pixels, averaged to 8 and shown at 64."""
    store = FakeStore()
    expected = {
        store.window(index).reshape(8, 2, 8, 2).mean(axis=(1, 3)).round().tobytes()
        for index in store.patch_set("positive", "train")
    }
    sheet = np.asarray(Image.open(finished_run / "reals.png"))[-130:, :130]
    tiles = [sheet[top : top + 64, left : left + 64] for top, left in TILES]
    assert {tile[::8, ::8].astype(float).tobytes() for tile in tiles} == expected
    for tile in tiles:
        np.testing.assert_array_equal(tile, np.kron(tile[::8, ::8], np.ones((8, 8))))


def test_tensorboard_has_groups_and_real_patches_of_every_stage(finished_run):
    (events,) = (finished_run / "tensorboard").iterdir()
    steps = collections.defaultdict(list)
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        for value in event.summary.value:
            steps[value.tag].append(event.step)
    assert steps["images/real"] == [0, 16, 28]
    assert steps["images/synthetic"] == [8, 16, 24, 28, 36, 44]
    assert {"losses/d_loss", "scores/real_scores"} <= set(steps)
    groups = {tag.partition("/")[0] for tag in steps}
    assert groups == {
        *("losses", "scores", "gradients", "diversity", "progress", "images"),
    }


def test_ticks_come_every_eight_images_and_at_the_end_of_a_stage(finished_run):
    """By hand: stages of 4, 3 and 4 steps of 4 images; a tick every 2 steps."""
    records = metrics(finished_run)
    assert [r["step"] for r in records] == [2, 4, 6, 7, 9, 11]
    assert [r["num_images"] for r in records] == [8, 16, 24, 28, 36, 44]
    assert [r["resolution"] for r in records] == [4, 4, 8, 8, 8, 8]
    assert [round(r["alpha"], 3) for r in records] == [1, 1, 0.667, 1, 1, 1]
    assert all(np.isfinite(r["d_loss"]) and np.isfinite(r["g_loss"]) for r in records)


def test_the_metadata_of_a_run(finished_run):
    metadata = Run.open(finished_run).metadata
    config = config_to_dict(CONFIG)
    for section in ("split", "evaluation", "audit"):
        del config[section]
    assert metadata.pop("config") == config
    assert metadata.pop("environment") == {
        "tensorflow": tf.__version__,
        "onednn": True,  # tests/conftest.py sets it
        "deterministic": True,
    }
    assert metadata == {
        "model": "lc_pggan",
        "target": "positive",
        "class_name": "gastritis",
        "split_hash": "ab" * 32,
        "split_mark": "cd" * 12,
        "organ": "stomach",
        "resolution": 8,
        "latent_dim": 8,
        "num_images": 44,
        "seed": 3,
    }


def test_a_loaded_generator_has_the_averaged_weights(finished_run):
    state = load_latest_checkpoint(finished_run / "checkpoints")
    weights = get_weights_by_name(Run.open(finished_run).generator())
    for name, array in weights.items():
        np.testing.assert_array_equal(array, state.weights["generator_ema"][name])


def assert_same_ending(run_dir, other):
    """Weights, optimizers, moving average and metrics, bit for bit."""
    actual = load_latest_checkpoint(run_dir / "checkpoints")
    expected = load_latest_checkpoint(other / "checkpoints")
    assert actual.step == expected.step == NUM_STEPS
    for groups, others in (
        (actual.weights, expected.weights),
        (actual.slots, expected.slots),
        ({"": actual.metrics}, {"": expected.metrics}),
    ):
        for group, arrays in others.items():
            assert groups[group].keys() == arrays.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(groups[group][name], array)
    speed = "images_per_second"
    for left, right in zip(metrics(run_dir), metrics(other), strict=True):
        assert {**left, speed: 0} == {**right, speed: 0}


def run_killed_at(run_dir, *points):
    """Trains in processes that die by SIGKILL at the points, then to the end.

    Returns the number of kills: points behind the end of the run kill nobody.
    """
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.killed_runs", run_dir, *points],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return int(result.stdout)


@pytest.mark.slow
def test_killed_runs_end_like_the_one_that_was_not(finished_run, tmp_path):
    """Kills by hand: before the first checkpoint, inside a checkpoint between ticks,
    at the end of a fade, and at the switch to Eq. 5 (step 4)."""
    points = ("step:1", "write:2", "step:2", "step:3")
    assert run_killed_at(tmp_path / "run", *points) == len(points)
    assert_same_ending(tmp_path / "run", finished_run)


@pytest.mark.slow
def test_a_hundred_random_kills(finished_run, tmp_path):
    rng = np.random.default_rng(0)
    kills, number = 0, 0
    while kills < 100:
        points = [
            f"step:{rng.integers(1, 6)}"
            if rng.random() < 0.6
            else f"write:{rng.integers(1, 3)}"
            for _ in range(5)
        ]
        run_dir = tmp_path / str(number)
        kills += run_killed_at(run_dir, *points)
        assert_same_ending(run_dir, finished_run)
        number += 1


def test_a_lower_resolution_is_exported(finished_run, tmp_path):
    """After 16 images at 4 pixels, the last that are those of a pggan run."""
    model = Run.open(finished_run).export(tmp_path, name="a", checkpoint="0.016")
    kept = ("model", "num_images", "resolution", "checkpoint")
    assert {key: model.card[key] for key in kept} == {
        "model": "pggan",
        "num_images": 16,
        "resolution": 4,
        "checkpoint": {
            "choice": "kimg",
            "num_images": 16,
            "total_images": 44,
        },
    }
    assert model.card["metrics"]["step"] == 4
    assert model.generate([0]).shape == (1, 4, 4, 1)


def test_an_existing_run_is_refused_and_left_alone(finished_run):
    before = (finished_run / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        fit(finished_run, model="pggan")
    assert (finished_run / "metrics.jsonl").read_bytes() == before


def resume(run_dir, **options):
    fit(run_dir, resume=True, **options)


def test_resume_refuses_what_is_not_the_same_run(finished_run, tmp_path):
    other = config_from_dict({**DOCUMENT, "optimizer": {"ema_half_life_images": 4}})
    with pytest.raises(InputError, match=r"`optimizer\.ema_half_life_images`: 26, and"):
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
        fit(tmp_path / "run", store=store)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "section", "keys", "message"),
    [
        ("lc_pggan", "objective", {"adversarial_loss": "wgan_gp"}, "must be logistic"),
        ("dcgan", "dcgan", {"fmap_base": 1}, "`dcgan.fmap_base` must be at least 2"),
        ("dcgan", "dcgan", {"batch_size": 64}, "`training.health_patches` must be 0"),
        ("dcgan", "dcgan", {"resolution": 32}, "more than the store's `patches.patch"),
    ],
)
def test_what_is_wrong_for_one_model_is_refused_before_a_folder_is_made(
    tmp_path, model, section, keys, message
):
    document = {**DOCUMENT, section: {**DOCUMENT[section], **keys}}
    config = config_from_dict(document)  # another model could use it
    with pytest.raises(InputError, match=message):
        fit(tmp_path / "run", config=config, model=model)
    assert not list(tmp_path.iterdir())


@contextlib.contextmanager
def terminal():
    """Standard error is a terminal of 80 columns; yields a function that reads it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(ours, False)
    with (
        os.fdopen(ours, "rb") as screen,
        os.fdopen(theirs, "w") as stream,
        contextlib.redirect_stderr(stream),
    ):
        yield lambda: screen.read().decode()


def test_a_signal_leaves_a_checkpoint_at_its_step(finished_run, tmp_path, monkeypatch):
    """SIGTERM in the step that is neither a tick's nor a checkpoint's: the third.

    Steps are done one by one here, and two by two in the run that it has to equal.
    """
    run_dir = tmp_path / "run"
    monkeypatch.setattr(recipe, "_MOST_STEPS_PER_CALL", 1)
    original = Every.on_train_batch_end

    def send_in_third_step(self, batch, logs=None):
        original(self, batch, logs)
        if self.model.spec.stage.first_step == 0 and batch == 2:
            monkeypatch.undo()
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Every, "on_train_batch_end", send_in_third_step)
    with terminal() as read_screen:
        with pytest.raises(RunInterruptedError, match="SIGTERM after step 3") as caught:
            fit(run_dir)
        screen = read_screen()
    assert caught.value.signal_number == signal.SIGTERM
    assert load_latest_checkpoint(run_dir / "checkpoints").step == 3
    shown = [line for line in re.split(r"[\r\n]+", screen) if line.strip()]
    assert "Finishing this step; again to end now." in shown
    # 12 of 44 images, after three calls of a stage
    assert re.fullmatch(
        r" 27%\|.+\| 4 px stable, [\d.]+ images/s, at most \d\d:\d\d left *",
        shown[-1],
    )
    assert max(len(line) for line in shown if "%|" in line) <= 80
    resume(run_dir)
    assert_same_ending(run_dir, finished_run)


@pytest.fixture(scope="module")
def pggan_run(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("runs") / "pggan"
    fit(run_dir, model="pggan")
    return run_dir


def test_lc_pggan_is_pggan_until_its_resolution(finished_run, pggan_run):
    """Eq. 2 and 5 differ from step 4 on, where 8 pixels begin."""
    left, right = metrics(pggan_run), metrics(finished_run)
    assert [r["d_loss"] for r in left[:2]] == [r["d_loss"] for r in right[:2]]
    assert left[2]["d_loss"] != right[2]["d_loss"]


def branch(source, run_dir, **options):
    fit(run_dir, branch_from=source, **options)


def test_a_branch_ends_like_the_run_from_the_start(finished_run, pggan_run, tmp_path):
    """Eq. 5 begins with step 4; the PGGAN run has kept its checkpoint of that step.

    What only matters after training may differ, and what has changed in the PGGAN run
    after the branch.
    """
    run_dir, source = tmp_path / "branch", tmp_path / "pggan"
    shutil.copytree(pggan_run, source)
    faster = config_from_dict(
        {**DOCUMENT, "optimizer": {**DOCUMENT["optimizer"], "learning_rate": 0.01}}
    )
    resume(source, model="pggan", config=faster)
    config = config_from_dict({**DOCUMENT, "evaluation": {"svm_c": 2.0}})
    branch(source, run_dir, config=config)
    assert_same_ending(run_dir, finished_run)
    sheets = {path.name: path.read_bytes() for path in run_dir.glob("sheet_*.png")}
    assert sheets == {
        path.name: path.read_bytes() for path in finished_run.glob("sheet_*.png")
    }
    with pytest.raises(InputError, match=r"with `optimizer\.learning_rate`: 0\.001, "):
        branch(source, tmp_path / "other", config=faster)
    record = (source / "run.json").read_text()
    assert '"num_images": 44' in record
    record = record.replace('"num_images": 44', '"num_images": 12')
    (source / "run.json").write_text(record)
    with pytest.raises(InputError, match=r"rate` since 12 images, before the branch"):
        branch(source, tmp_path / "other", config=faster)


def test_a_branch_off_no_twin_is_refused(finished_run, pggan_run, tmp_path):
    other = config_from_dict({**DOCUMENT, "optimizer": {"ema_half_life_images": 4}})
    with pytest.raises(InputError, match=r"`optimizer\.ema_half_life_images`: 26"):
        branch(pggan_run, tmp_path / "run", config=other)
    with pytest.raises(InputError, match="target=positive; to branch from it, target"):
        branch(pggan_run, tmp_path / "run", target="negative")
    with pytest.raises(InputError, match="model=lc_pggan; to branch from it, model"):
        branch(finished_run, tmp_path / "run")
    with pytest.raises(InputError, match="this is one of dcgan"):
        branch(pggan_run, tmp_path / "run", model="dcgan")
    with pytest.raises(InputError, match="either resumes or branches"):
        branch(pggan_run, tmp_path / "run", resume=True)
    assert not list(tmp_path.iterdir())


def checkpoints_of(repository, folder, *runs):
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.fits", folder, *runs],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.split()


@pytest.mark.slow
def test_a_run_does_not_depend_on_the_runs_before_it(repository, tmp_path):
    """SHA-256 of the last checkpoints, mirrored and not, of networks of two widths."""
    runs = ("mirrored-wide", "one-narrow", "mirrored-narrow")
    together = checkpoints_of(repository, tmp_path / "together", *runs)
    alone = [
        checkpoints_of(repository, tmp_path / name, name)[0]
        for name in ("mirrored-narrow", "one-narrow")
    ]
    assert [together[2], together[1]] == alone
    assert together[0] != together[2]  # another width


@pytest.mark.slow
def test_a_tensorflow_of_other_settings_is_named_and_recorded(repository, tmp_path):
    program = (
        "import sys\n"
        "import tensorflow\n"
        "from gastritis_gan.training.fit import fit\n"
        "from tests.helpers.tiny_run import FakeStore, sections_of\n"
        "run = fit(sections_of(dcgan={'num_images': 4}), FakeStore(), model='dcgan',\n"
        "          target='positive', out=sys.argv[1])\n"
        "print(run.metadata['environment']['onednn'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "run"],
        cwd=repository,
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "TensorFlow was imported before gastritis_gan" in result.stderr
    assert result.stdout == "False\n"
