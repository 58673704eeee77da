"""The promise: nothing that names a patient leaves `prepare`."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main
from tests.helpers.cohorts import MARKER
from tests.helpers.markers import (
    find_markers,
    holds_marker,
    save_planted,
    write_planted_cohort,
)

CONFIG = """
cohort: {positive: dense, negative: fatty}
patches: {patch_size: 16, stride: 8, exclude_text: true}
split: {train_positive_patients: 2, train_negative_patients: 2, seed: 5}
networks: {latent_dim: 16, fmap_base: 32, fmap_max: 8}
schedule:
  {initial_resolution: 4, final_resolution: 8, transition_images: 16,
   stable_images: 16, batch_size: 8}
objective: {lc_resolution: 8}
training: {tick_images: 16, checkpoint_images: 16, sheet_columns: 2}
evaluation:
  {extractors: [texture], samples_per_generator: 32, patches_per_class: 16,
   vote: inside}
"""


@pytest.fixture
def work(tmp_path):
    write_planted_cohort(tmp_path / "hospital")
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "out").mkdir()
    return tmp_path


def run(work, *arguments):
    """Runs the command in a process of its own and returns all that it prints."""
    script = "from gastritis_gan.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=work / "out",
    )
    assert done.returncode in (0, 4), done.stderr[-3000:]  # 4: an audit's "undecided"
    return done.stdout + done.stderr


def cohort_of(work):
    return work / "hospital" / f"{MARKER}_cohort"


def prepare(work, store="store", *more):
    return ["prepare", cohort_of(work), "--config", work / "config.yaml",
            "--out", work / "out" / store, *more]  # fmt: skip


def test_the_search_finds_what_was_planted(work):
    found = find_markers(work / "hospital")
    assert len(found) > 2 * 15  # names and contents of 12 images and 2 outlines
    assert any(name.endswith(" zTXt") for name in found)
    np.savez_compressed(work / "out" / "a.npz", text=np.array([MARKER]))
    assert find_markers(work / "out") == ["a.npz/text.npy"]


def test_no_marker_in_the_store_and_what_is_printed(work):
    printed = run(work, *prepare(work, "store", "--workers", 2))
    printed += run(work, *prepare(work, "store", "--workers", 1))  # compares
    printed += run(work, "inspect", "store", "--out", "inspection")
    printed += run(work, *prepare(work, "other", "--discard-key"))
    assert not holds_marker(printed), printed
    assert b"do not state whether text is burned into the pixels" in printed
    assert not (work / "out" / "other.key").exists()
    assert len(list((work / "out").rglob("*"))) > 40
    assert find_markers(work / "out") == []


def test_no_marker_in_unfinished_work(work):
    path = cohort_of(work) / MARKER / f"{MARKER}11.tif"
    whole = path.read_bytes()
    script = (
        "import sys, os\n"
        "from gastritis_gan.store import conversion as module\n"
        "from gastritis_gan.cli.main import main\n"
        "read, left = module.read_image, [5]\n"
        "def stop(*arguments, **options):\n"
        "    left[0] -= 1\n"
        "    if left[0] < 0: os._exit(9)\n"
        "    return read(*arguments, **options)\n"
        "module.read_image = stop\n"
        "main()\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            *map(str, prepare(work, "store", "--workers", 1)),
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    assert len(list((work / "out" / "store.partial").rglob("images/*.png"))) == 5
    assert find_markers(work / "out") == []
    assert path.read_bytes() == whole


@pytest.mark.slow
def test_no_marker_in_runs_models_samples_results_audits_and_releases(work):
    common = ["--config", work / "config.yaml", "--store", "store"]
    printed = run(work, *prepare(work))
    for target in ("positive", "negative"):
        printed += run(work, "fit", *common, "--model", "lc_pggan",
                       "--target", target, "--run", f"runs/{target}")  # fmt: skip
        printed += run(work, "export", f"runs/{target}", "--name", target)
        printed += run(work, "sample", f"exported/{target}", "--count", 3,
                       "--out", f"samples/{target}")  # fmt: skip
    printed += run(work, "gan-train", *common, "--generators", "exported",
                   "--out", "results")  # fmt: skip
    printed += run(work, "audit", *common, "--generators", "exported",
                   "--out", "audit")  # fmt: skip
    for image_format in ("png", "dicom"):
        printed += run(work, "release", "exported", "--per-class", 3,
                       "--audit", "audit", "--accept-risk", "a test",
                       "--format", image_format, "--results", "results",
                       "--out", f"release_{image_format}")  # fmt: skip
    printed += run(work, "inspect", "store", "--out", "inspection")
    assert not holds_marker(printed), printed
    for folder in ("runs", "exported", "samples", "results", "audit", "release_png",
                   "release_dicom", "inspection"):  # fmt: skip
        assert any(path.is_file() for path in (work / "out" / folder).rglob("*"))
    assert find_markers(work / "out") == []


def change_dicom(work, **attributes):
    """Changes the first image, a DICOM file."""
    path = cohort_of(work) / MARKER / f"{MARKER}0.dcm"
    dataset = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    save_planted(path, dataset)


def spoil_window(work):
    path = cohort_of(work) / MARKER / f"{MARKER}0.dcm"
    content = path.read_bytes()
    old, new = b"DS\x0a\x00128.000000", b"DS\x0a\x00Zebrafink "
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))


def spoil_syntax(work):
    path = cohort_of(work) / MARKER / f"{MARKER}0.dcm"
    old, new = b"1.2.840.10008.1.2.1\0", b"Zebrafink.10008.1.2\0"
    path.write_bytes(path.read_bytes().replace(old, new))


def change_rows(work, change):
    path = cohort_of(work) / "cohort.csv"
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    change(rows)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def two_labels(work):
    path = cohort_of(work) / MARKER / f"{MARKER}.json"
    document = json.loads(path.read_text())
    document["shapes"].append({**document["shapes"][0], "label": f"{MARKER}2"})
    path.write_text(json.dumps(document))


def set_cell(row, column, value):
    return lambda work: change_rows(
        work, lambda rows: rows[row].__setitem__(column, value)
    )


def cut(name):
    def spoil(work):
        path = cohort_of(work) / MARKER / f"{MARKER}{name}"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return spoil


def shrink_outline(work):
    path = cohort_of(work) / MARKER / f"{MARKER}.png"
    Image.open(path).resize((50, 50)).save(path)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda work: change_dicom(work, PhotometricInterpretation=MARKER.upper()),
         "row 2 of the cohort file, image: (0028,0004)"),
        (lambda work: change_dicom(work, VOILUTFunction=MARKER.upper()),
         "row 2 of the cohort file, image: (0028,1056)"),
        (spoil_window, "row 2 of the cohort file, image: (0028,1050) WindowCenter"),
        (spoil_syntax, "row 2 of the cohort file, image: cannot be read as DICOM."),
        (cut("0.dcm"), "row 2 of the cohort file, image: "),
        (cut("1.png"), "row 3 of the cohort file, image: is damaged"),
        (cut("2.tif"), "row 4 of the cohort file, image: is"),
        (cut(".json"), "outline: cannot be read as JSON outline."),
        (two_labels, "outline: has 2 labels"),
        (shrink_outline, "outline: the outline is 50 x 50 pixels"),
        (set_cell(3, 2, MARKER), "row 4 of the cohort file: unknown label"),
        (set_cell(3, 0, f"{MARKER}.dcm"), "row 4 of the cohort file: the image file"),
        (set_cell(3, 3, f"{MARKER}.dcm"), "row 4 of the cohort file: the outline file"),
        (set_cell(0, 3, MARKER), "the cohort file: the first row must name"),
        (lambda work: change_rows(work, lambda rows: rows.append(rows[5])),
         "row 14 of the cohort file: the image is in row 6 already"),
        (lambda work: change_rows(work, lambda rows: rows[4].pop()),
         "row 5 of the cohort file: must have 4 fields"),
        (lambda work: (cohort_of(work) / "cohort.csv").unlink(),
         "the cohort file: cannot be read"),
        (lambda work: change_rows(
            work, lambda rows: [row.__setitem__(3, "") for row in rows[1:]]),
         "outline: has no outline but is assigned to training"),
    ],
)  # fmt: skip
def test_no_marker_in_error_messages_unless_they_are_asked_for(work, spoil, expected):
    spoil(work)
    arguments = [str(a) for a in prepare(work, "store", "--workers", 1)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert expected in result.output
    assert "--verbose names the file" in result.output
    assert not holds_marker(result.output.encode())
    verbose = CliRunner().invoke(main, [*arguments, "--verbose"])
    assert verbose.exit_code == 2
    assert MARKER in verbose.output


def test_no_marker_when_a_changed_input_is_refused(work):
    arguments = [str(a) for a in prepare(work, "store", "--workers", 1)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    change_dicom(work, PatientID=f"{MARKER}2")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "row 2 of the cohort file, image: the image is not the one" in result.output
    assert not holds_marker(result.output.encode())
