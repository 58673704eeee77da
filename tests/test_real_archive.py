"""Films that went through a PACS (Orthanc) give the store of those that did not."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.store.store import Store
from tests.helpers.archive import Archive

CONFIG = """
patches: {patch_size: 64, stride: 32}
split: {train_positive_patients: 1, train_negative_patients: 1}
schedule: {final_resolution: 32}
objective: {lc_resolution: 32}
"""


def run(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A phantom cohort, its store, and what the archive gives back of its films."""
    root = tmp_path_factory.mktemp("archive")
    (root / "config.yaml").write_text(CONFIG)
    run("phantom", "--out", root / "cohort", "--patients", 4, "--image-size", 256)
    with Archive(root).running() as archive:
        archive.send(root / "cohort" / "images")
        for kind in ("archive", "media"):
            archive.export(kind, root / kind)
    prepare(root, root / "cohort")
    return root


def prepare(root, cohort):
    run("prepare", cohort, "--config", root / "config.yaml",
        "--out", root / "stores" / cohort.name, "--workers", 1)  # fmt: skip
    return Store.open(root / "stores" / cohort.name)


def fill_in(root, folder):
    """Does what the user does: labels by patient, outlines beside the films."""
    with (root / "cohort" / "cohort.csv").open(newline="") as stream:
        truth = {row["patient"]: row for row in csv.DictReader(stream)}
    films = [path for path in folder.rglob("*") if path.is_file()]
    for film in films:
        dataset = pydicom.dcmread(film, stop_before_pixels=True)
        if "PatientID" in dataset:
            outline = root / "cohort" / truth[dataset.PatientID]["outline"]
            shutil.copy(outline, film.with_name(f"{film.stem}.png"))
    printed = run("cohort", folder, "--out", folder / "cohort.csv")
    with (folder / "cohort.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        row["label"] = truth[row["patient"]]["label"]
    with (folder / "cohort.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return printed


@pytest.mark.parametrize("kind", ["archive", "media"])
def test_films_that_come_back_from_an_archive_give_the_same_store(exports, kind):
    printed = fill_in(exports, exports / kind)
    assert "4 images of 4 patients." in printed
    direct = Store.open(exports / "stores" / "cohort")
    store = prepare(exports, exports / kind)
    # Equal only for equal pixels, labels, patients and split.
    assert store.split_hash == direct.split_hash
    assert len(store.images) == 4
    for index in range(4):
        np.testing.assert_array_equal(store.image(index), direct.image(index))
        np.testing.assert_array_equal(store.outline(index), direct.outline(index))
    for column in ("image", "row", "column", "coverage"):
        np.testing.assert_array_equal(
            getattr(store, f"patch_{column}"), getattr(direct, f"patch_{column}")
        )


def test_the_directory_of_a_medium_is_no_film(exports):
    assert (exports / "media" / "DICOMDIR").is_file()
    run("cohort", exports / "media", "--out", exports / "draft.csv")
    with (exports / "draft_left_out.csv").open(newline="") as stream:
        left_out = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    assert left_out["media/DICOMDIR"] == "DICOM without an image"
