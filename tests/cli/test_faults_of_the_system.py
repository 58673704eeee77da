"""Faults of the machine, not of the input: one sentence, exit code 2, nothing left."""

from __future__ import annotations

import concurrent.futures
import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main

CONFIG = """
cohort: {positive: 胃炎, negative: non gastritis}
patches: {patch_size: 32, stride: 16}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 8, batch_size: 4}
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Current folder with a cohort of four patients and its experiment file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort").mkdir()
    rows = ["image,patient,label,outline"]
    for number in range(4):
        gradient = Image.linear_gradient("L").rotate(90 * number).resize((64, 64))
        gradient.save(tmp_path / "cohort" / f"smith{number}.png")
        label = ("胃炎", "non gastritis")[number % 2]
        rows.append(f"smith{number}.png,smith{number},{label},outline.png")
    Image.new("1", (64, 64), 1).save(tmp_path / "cohort" / "outline.png")
    (tmp_path / "cohort" / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


PREPARE = "prepare cohort --config config.yaml --workers 1 --out"


def refusal_of(work, command):
    before = sorted(work.rglob("*"))

    result = CliRunner().invoke(main, command.split())

    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if "Error: " in line]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    assert "smith" not in result.stderr
    assert sorted(work.rglob("*")) == before
    return lines[0]


@pytest.mark.parametrize("name", ["config.yaml/out", "n" * 250, "new/" + "n" * 250])
@pytest.mark.parametrize(
    "command",
    [PREPARE, "phantom --patients 2 --image-size 256 --out", "cohort cohort --out"],
)
def test_a_path_that_cannot_be_written(work, command, name):
    sentence = refusal_of(work, f"{command} {name}")

    assert name.split("/")[0][:200] in sentence


def test_a_file_system_without_locks(work, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)

    assert "cannot lock files" in refusal_of(work, f"{PREPARE} out")


def test_a_machine_without_shared_memory(work, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", refuse)
    command = PREPARE.replace("--workers 1", "--workers 2")

    assert "`--workers 1` needs none" in refusal_of(work, f"{command} out")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionError(errno.EACCES, "no", "cohort/smith0.png"), "cohort cannot be"),
        (PermissionError(errno.EACCES, "no", "/smith/0.png"), "a file or folder (its"),
        (OSError(errno.EMFILE, "no"), "`ulimit -n`"),
        (MemoryError("smith"), "memory ran out"),
    ],
)
def test_an_error_of_the_system_names_no_patient(work, monkeypatch, error, expected):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("gastritis_gan.api.prepare", fail)

    assert expected in refusal_of(work, f"{PREPARE} out")


def test_a_mistake_of_the_program_names_no_patient(work, monkeypatch):
    def fail(*_, **__):
        raise TypeError("smith0")

    monkeypatch.setattr("gastritis_gan.api.prepare", fail)
    result = CliRunner().invoke(main, f"{PREPARE} out".split())

    assert result.exit_code == 1
    assert "unexpected TypeError (" in result.stderr
    assert "prepare.py:" in result.stderr
    assert "smith" not in result.stderr


def test_ctrl_c_is_a_sentence(work, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gastritis_gan.api.prepare", interrupt)
    result = CliRunner().invoke(main, f"{PREPARE} out".split())

    assert result.exit_code == 130
    assert "Error: interrupted" in result.stderr


def in_a_process(arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


def test_a_terminal_that_lacks_letters(work):
    command = ["-c", "from gastritis_gan.cli.main import main; main()"]

    done = in_a_process([*command, *PREPARE.split(), "out"], PYTHONIOENCODING="latin-1")

    assert done.returncode == 0, done.stderr
    assert rb"\u80c3\u708e" in done.stdout


def test_keras_settings_of_other_programs_change_nothing(tmp_path):
    settings = {
        "backend": "jax", "floatx": "float64", "image_data_format": "channels_first",
    }  # fmt: skip
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environment = {"KERAS_BACKEND": "torch", "KERAS_MAX_EPOCHS": "many"}
    code = (
        "import gastritis_gan.models, keras; c = keras.config; "
        "print(c.backend(), c.floatx(), c.image_data_format())"
    )

    done = in_a_process(["-c", code], KERAS_HOME=str(tmp_path), **environment)

    assert done.stdout.decode().split() == ["tensorflow", "float32", "channels_last"]


def test_settings_that_keras_refuses_are_named(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "int8"}')

    done = in_a_process(
        ["-c", "import gastritis_gan.models, keras"], KERAS_HOME=str(tmp_path)
    )

    assert b"InputError: Keras cannot be imported with the settings in" in done.stderr
