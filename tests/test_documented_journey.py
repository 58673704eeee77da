"""README in shell, README in Python, notebook and doctests: one smoke run.

The texts are run as they stand, with the experiment of `configs/smoke.yaml` under the
name of the demo's, and smaller numbers.
"""

from __future__ import annotations

import csv
import doctest
import filecmp
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from PIL import Image

import gastritis_gan as gg

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "StudyDate",
    "AccessionNumber",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
)
TEXT = {".csv", ".json", ".jsonl", ".md", ".yaml"}
SMALLER = {
    "--patients 40": "--patients 12",
    "--image-size 1024": "--image-size 256",
    "--per-class 200": "--per-class 6",
    "patients=40": "patients=12",
    "image_size=1024": "image_size=256",
    "per_class=200": "per_class=6",
}
# Networks do not grow, and there is no R1: tests/training/ has both, and most of the
# time would go into tracing them.
FASTER = {
    "schedule": {"initial_resolution": 16},
    "objective": {"r1_weight": 0},
    "evaluation": {"controls": False},
    "audit": {"samples_per_generator": 100, "planted_copies": 20, "latent_steps": 3},
}


def smaller(text: str) -> str:
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    return text


def blocks(repository: Path, language: str) -> list[str]:
    text = (repository / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(command: list[str], folder: Path) -> str:
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": binaries, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return printed


@pytest.fixture(scope="module")
def shell(repository, tmp_path_factory) -> Path:
    """Where README's commands were run; `printed.txt` holds what they printed."""
    _, *in_shell = blocks(repository, "sh")
    folder = small_experiment(repository, tmp_path_factory)
    run_in(["bash", "-euc", "\n".join(["umask 0", *map(smaller, in_shell)])], folder)
    return folder


@pytest.fixture(scope="module")
def python(repository, tmp_path_factory) -> Path:
    """Where README's Python was run."""
    (in_python,) = blocks(repository, "python")
    folder = small_experiment(repository, tmp_path_factory)
    run_in([sys.executable, "-c", smaller(in_python)], folder)
    return folder


@pytest.fixture(scope="module")
def notebook(repository, tmp_path_factory) -> Path:
    """Where the tutorial was run, below a folder whose group works together."""
    text = (repository / "docs" / "tutorial.py").read_text(encoding="utf-8")
    folder = small_experiment(repository, tmp_path_factory)
    folder.chmod(0o2755)
    run_in([sys.executable, "-c", smaller(text)], folder)
    return folder


def small_experiment(repository: Path, tmp_path_factory) -> Path:
    """Makes a folder with the small experiment, under the demo's name."""
    folder = tmp_path_factory.mktemp("journey")
    (folder / "configs").mkdir()
    experiment = yaml.safe_load((repository / "configs" / "smoke.yaml").read_text())
    for section, keys in FASTER.items():
        experiment[section] |= keys
    (folder / "configs" / "phantom.yaml").write_text(yaml.safe_dump(experiment))
    return folder


def run_in(command: list[str], folder: Path) -> None:
    (folder / "printed.txt").write_text(run(command, folder), encoding="utf-8")


def test_the_first_minute_needs_no_training(repository, tmp_path):
    shutil.copytree(repository / "exported", tmp_path / "exported")
    run(["bash", "-euc", blocks(repository, "sh")[0]], tmp_path)
    assert len(list((tmp_path / "samples/gastritis").glob("*.png"))) == 64 + 1  # sheet
    assert (tmp_path / "walks" / "gastritis").is_dir()


@pytest.mark.slow
def test_both_doors_give_the_same_bits(shell, python):
    for pattern in (
        "stores/phantom/patches.npz",
        "runs/*/checkpoints/*",
        "results/phantom/table.md",
    ):
        theirs = sorted(path.relative_to(shell) for path in shell.glob(pattern))
        assert theirs, pattern
        assert theirs == sorted(
            path.relative_to(python) for path in python.glob(pattern)
        )
        _, differing, missing = filecmp.cmpfiles(shell, python, theirs, shallow=False)
        assert not differing + missing, pattern
    images = sorted((shell / "releases/phantom/images").rglob("*.png"))
    assert len(images) == 12
    for path in images:  # the files name the models, whose hashes differ
        same = python / path.relative_to(shell)
        np.testing.assert_array_equal(Image.open(path), Image.open(same))


@pytest.mark.parametrize(
    ("name", "top", "folder_mode", "file_mode"),
    [
        ("shell", "", 0o700, 0o600),
        pytest.param("python", "", 0o700, 0o600, marks=pytest.mark.slow),
        pytest.param("notebook", "tutorial", 0o2770, 0o660, marks=pytest.mark.slow),
    ],
)
def test_what_shows_patients_is_private(request, name, top, folder_mode, file_mode):
    root = request.getfixturevalue(name)
    private = (
        "stores/phantom", "keys", "store", "*.key", "runs/*", "audits/phantom",
        "inspections/phantom", "results/feature-cache", "feature-cache",
    )  # fmt: skip
    found = [p for pattern in private for p in (root / top).glob(pattern)]
    assert len(found) >= {"shell": 7, "python": 6, "notebook": 5}[name]
    for folder_or_key in found:
        inside = list(folder_or_key.rglob("*"))
        assert inside or folder_or_key.suffix == ".key"
        for path in (folder_or_key, *inside):
            mode = folder_mode if path.is_dir() else file_mode
            assert stat.S_IMODE(path.stat().st_mode) == mode, path


@pytest.mark.parametrize(
    ("name", "umask"),
    [("shell", 0), pytest.param("python", 0o022, marks=pytest.mark.slow)],
)
def test_what_can_be_given_away_follows_the_umask(request, name, umask):
    root = request.getfixturevalue(name)
    public = ("exported", "results/phantom", "releases/phantom")
    for folder in (root / path for path in public):
        for path in (folder.parent, folder, *folder.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            readable = 0o555 if path.is_dir() else 0o444
            if path != root:  # TensorFlow makes folders of 0755 at most
                assert (mode & readable, mode & umask) == (readable, 0), path


@pytest.mark.slow
def test_the_notebook_shows_patches_beside_samples(notebook):
    folder = notebook
    printed = (folder / "printed.txt").read_text(encoding="utf-8")

    assert "| LC-PGGAN |" in printed
    picture = np.asarray(
        Image.open(folder / "tutorial" / "patches_and_samples.png").convert("L")
    )
    quarters = [
        half
        for side in np.array_split(picture, 2)
        for half in np.array_split(side, 2, axis=1)
    ]
    assert min(quarter.std() for quarter in quarters) > 20  # none is blank


def test_the_examples_of_the_api_are_true(shell, monkeypatch):
    monkeypatch.chdir(shell)
    examples = [
        example
        for name in gg.__all__
        if not name[0].isupper()
        for example in doctest.DocTestFinder(recurse=False).find(
            getattr(gg, name), name, globs={"gg": gg}
        )
    ]
    runner = doctest.DocTestRunner()
    without = [example.name for example in examples if not example.examples]
    for example in examples:
        runner.run(example)

    assert not without
    assert runner.summarize(verbose=False).failed == 0


def test_samples_have_the_size_of_the_last_stage_and_a_manifest(shell):
    folder = shell / "samples" / "lc_positive"
    with (folder / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))

    assert [int(row["seed"]) for row in rows] == list(range(64))
    assert {row["class"] for row in rows} == {"gastritis"}
    for row in rows:
        image = np.asarray(Image.open(folder / row["file"]))
        assert (image.shape, image.dtype) == ((16, 16), np.uint8)


def test_run_keeps_its_settings_metrics_and_sheets(shell):
    root = shell
    run = root / "runs" / "lc_positive"
    lines = (run / "metrics.jsonl").read_text().splitlines()

    assert (run / "config.yaml").is_file()
    assert json.loads(lines[-1])["step"] == 4  # 32 images, 8 a step
    assert list(run.glob("sheet_*.png"))
    assert list((run / "tensorboard").iterdir())
    assert list((run / "checkpoints").iterdir())


def test_table_has_the_generators_and_the_real_data(shell):
    root, printed = shell, (shell / "printed.txt").read_text()
    table = (root / "results" / "phantom" / "table.md").read_text()

    assert "| LC-PGGAN |" in table
    assert "| Real data (Ideal) |" in table
    assert "Conclusion: with " in printed
    json.loads((root / "results" / "phantom" / "results.json").read_text())


def test_every_output_knows_the_split_of_its_store(shell):
    root = shell
    split_hash = json.loads((root / "stores" / "phantom" / "store.json").read_text())[
        "split_hash"
    ]

    for file in (
        "runs/lc_positive/run.json",
        "exported/phantom_lc_positive/1/assets.extra/model_card.json",
        "results/phantom/results.json",
    ):
        assert split_hash in (root / file).read_text(), file


def test_nothing_that_was_written_or_printed_identifies_a_patient(shell):
    root, printed = shell, (shell / "printed.txt").read_text()
    cohort = root / "cohorts" / "phantom"
    lines = (cohort / "cohort.csv").read_text().splitlines()
    names = [row["image"] for row in csv.DictReader(lines)]
    datasets = [pydicom.dcmread(cohort / name) for name in names]
    secrets = {
        str(dataset[keyword].value)
        for dataset in datasets
        for keyword in IDENTIFYING
        if dataset.get(keyword)
    }
    secrets |= {Path(name).name for name in names}
    assert len(secrets) > 5 * len(names)  # the cohort has something to hide

    cohorts = root / "cohorts"
    outputs = [p for p in root.rglob("*") if p.is_file() and cohorts not in p.parents]
    assert len(outputs) > 40
    for path in outputs:
        content = path.read_bytes()
        found = {
            secret
            for secret in secrets
            # Eight digits of a date may occur in a weight, but not in a text.
            if secret.encode() in content
            and (path.suffix in TEXT or not secret.isdigit())
        }
        assert not found, path
    assert not {secret for secret in secrets if secret in printed}
