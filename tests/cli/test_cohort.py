from __future__ import annotations

import csv
import stat

import numpy as np
import pydicom
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_phantom_without_its_csv_is_found_again(tmp_path):
    root = tmp_path / "phantom"
    made = run("phantom", "--out", root, "--patients", 4, "--image-size", 256)
    assert made.exit_code == 0, made.output
    (root / "cohort.csv").rename(tmp_path / "truth.csv")
    result = run("cohort", root, "--out", root / "cohort.csv")
    assert result.exit_code == 0, result.output
    columns = ("image", "outline")
    with (tmp_path / "truth.csv").open(newline="") as stream:
        truth = {tuple(row[c] for c in columns) for row in csv.DictReader(stream)}
    with (root / "cohort.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {tuple(row[c] for c in columns) for row in rows} == truth
    for row in rows:
        header = pydicom.dcmread(root / row["image"], stop_before_pixels=True)
        assert row["patient"] == header.PatientID
        assert row["label"] == ""
        assert row["patient"] not in result.output
    assert "4 images of 4 patients." in result.output
    assert "label    4 images: fill the column in" in result.output
    assert "outline  " not in result.output
    assert "Left out" not in result.output
    assert not (root / "cohort_left_out.csv").exists()


def test_what_is_missing_is_said(tmp_path):
    root = tmp_path / "phantom"
    run("phantom", "--out", root, "--patients", 2, "--image-size", 256)
    (root / "cohort.csv").unlink()
    for path in (root / "outlines").iterdir():
        path.unlink()
    dicom = next((root / "images").iterdir())
    dataset = pydicom.dcmread(dicom)
    dataset.PatientID = ""
    dataset.save_as(dicom)
    (root / "readme.txt").write_text("text")
    result = run("cohort", root, "--out", root / "cohort.csv")
    assert result.exit_code == 0, result.output
    assert "2 images of 1 patient." in result.output
    assert "patient  1 image without PatientID" in result.output
    assert "outline  2 images, 0 of them with several candidates" in result.output
    assert "Left out: 1 file: not DICOM" in result.output
    for name in ("cohort.csv", "cohort_left_out.csv"):  # they name patients and files
        assert stat.S_IMODE((root / name).stat().st_mode) == 0o600
    listed = (root / "cohort_left_out.csv").read_text()
    assert listed.splitlines()[1].startswith("readme.txt,")


def test_an_existing_draft_is_refused_before_any_work(tmp_path):
    (tmp_path / "cohort.csv").write_text("mine")
    result = run("cohort", tmp_path / "none", "--out", tmp_path / "cohort.csv")
    assert result.exit_code == 2
    assert "exists already" in result.output
    assert (tmp_path / "cohort.csv").read_text() == "mine"


def test_a_folder_without_images_is_refused(tmp_path):
    result = run("cohort", tmp_path, "--out", tmp_path / "cohort.csv")
    assert result.exit_code == 2
    assert "holds no DICOM file" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_png_files_and_a_table_become_a_store(tmp_path):
    root, rng = tmp_path / "films", np.random.default_rng(0)
    (root / "masks").mkdir(parents=True)
    lines = ["file;patient;label;split"]
    for number in range(4):
        pixels = rng.integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        Image.new("1", (32, 32), 1).save(root / "masks" / f"{number}.png")
        label = ("gastritis", "non_gastritis")[number % 2]
        lines.append(
            f"{number}.png;P{number};{label};{'train' if number < 2 else 'test'}"
        )
    (root / "study.csv").write_text("\n".join(lines))
    result = run(
        "cohort", root, "--out", root / "cohort.csv",
        "--labels", root / "study.csv", "--key", "file",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Table of labels: names 4 of 4 images by path" in result.output
    assert "Missing" not in result.output
    (tmp_path / "config.yaml").write_text(
        "patches: {patch_size: 16, stride: 8}\nschedule: {final_resolution: 16}\n"
    )
    result = run(
        "prepare", root, "--config", tmp_path / "config.yaml",
        "--out", tmp_path / "store", "--workers", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "The split was given by the cohort file" in result.output
