from __future__ import annotations

import csv

import pydicom
from click.testing import CliRunner

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
