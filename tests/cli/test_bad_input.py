"""Bad input ends with one sentence and exit code 2, and nothing half written."""

from __future__ import annotations

import csv
import errno
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main

CONFIG = """
cohort: {positive: sick, negative: healthy}
patches: {patch_size: 32, stride: 16}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 8, batch_size: 4}
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Current folder with a good cohort of four patients and its experiment file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (64, 64), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "cohort" / f"{number}.png")
    outline = np.zeros((64, 64), np.uint8)
    outline[:, :40] = 255
    Image.fromarray(outline).save(tmp_path / "cohort" / "outline.png")
    write_cohort(
        tmp_path,
        [(f"{n}.png", f"p{n}", ("sick", "healthy")[n % 2], "outline.png")
         for n in range(4)],
    )  # fmt: skip
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def write_cohort(work, rows):
    with (work / "cohort" / "cohort.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("image", "patient", "label", "outline"), *rows])


def change_row(work, **changes):
    with (work / "cohort" / "cohort.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows[2].update(changes)
    write_cohort(work, [tuple(row.values()) for row in rows])


def refusal_of(work, *arguments):
    """Returns the sentence that refuses a command, which must have changed no file."""
    before = content_of(work)

    result = CliRunner().invoke(main, [str(argument) for argument in arguments])

    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    errors = [line for line in result.stderr.splitlines() if "Error: " in line]
    assert len(errors) == 1
    assert result.stderr.rstrip().endswith(errors[0])
    assert "Traceback" not in result.stderr
    assert content_of(work) == before
    return errors[0]


def content_of(folder):
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def prepare(work):
    return refusal_of(
        work, "prepare", "cohort", "--config", "config.yaml", "--out", "store",
        "--workers", 1,
    )  # fmt: skip


def truncate_a_dicom(work):
    name = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    content = Path(name).read_bytes()
    (work / "cohort" / "cut.dcm").write_bytes(content[: len(content) // 2])
    change_row(work, image="cut.dcm")


def shrink_an_image(work):
    Image.new("L", (64, 31)).save(work / "cohort" / "small.png")
    change_row(work, image="small.png", outline="small.png")


def test_the_cohort_of_these_tests_is_good(work):
    result = CliRunner().invoke(
        main, ["prepare", "cohort", "--config", "config.yaml", "--out", "store"]
    )

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda work: (work / "cohort" / "cohort.csv").unlink(), "the cohort file"),
        (lambda work: write_cohort(work, []), "no images"),
        (lambda work: change_row(work, label="ill"), "row 4 of the cohort file: u"),
        (lambda work: change_row(work, outline="none.png"), "outline file does not"),
        (lambda work: change_row(work, image="none.png"), "image file does not exist"),
        (lambda work: change_row(work, patient=""), "`patient` is empty"),
        (shrink_an_image, "row 4 of the cohort file, image: an image of 64 x 31"),
        (
            lambda work: (work / "config.yaml").write_text(
                CONFIG.replace("patch_size: 32", "patch_size: 65")
            ),
            "65",
        ),
        (
            lambda work: (work / "config.yaml").write_text(
                CONFIG.replace("positive_patients: 1", "positive_patients: 9")
            ),
            "train_positive_patients",
        ),
        (
            lambda work: (work / "config.yaml").write_text("patch: {}"),
            "Did you mean `patches`?",
        ),
        (lambda work: (work / "config.yaml").unlink(), "config.yaml: cannot be read"),
        (truncate_a_dicom, "row 4 of the cohort file, image: (7FE0,0010) PixelData"),
        (lambda work: (work / "cohort" / "2.png").write_bytes(b"no image"), "row 4 of"),
        (lambda work: (work / "store").mkdir(), "store exists already"),
    ],
)  # fmt: skip
def test_prepare_refuses(work, spoil, expected):
    spoil(work)

    assert expected in prepare(work)


def test_a_full_disk_leaves_nothing(work, monkeypatch):
    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)

    assert "the disk is full" in prepare(work)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("phantom --out cohort --patients 2 --image-size 256", "cohort exists already"),
        ("phantom --out new --patients 3", "even"),
        ("phantom --out new --image-size 100", "256"),
        ("prepare none --config config.yaml --out store", "the cohort file: cannot"),
        (
            "fit --config config.yaml --store none --model pggan --target positive "
            "--run run",
            "none is not a store",
        ),
        (
            "fit --config config.yaml --store none --model pgan --target positive "
            "--run run",
            "'pgan' is not one of 'pggan', 'lc_pggan'",
        ),
        ("export none --name model", "none is not a run"),
        ("sample none --out samples", "none does not exist"),
        ("sample none --out samples --count 0", "0 is not in the range x>=1"),
        ("gan-train --config config.yaml --store none --out results", "not a store"),
    ],
)
def test_a_command_refuses(work, arguments, expected):
    assert expected in refusal_of(work, *arguments.split())
