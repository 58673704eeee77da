"""`gastritis-gan init`: an experiment file that fits a cohort."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.config import load_config
from gastritis_gan.phantom.phantom_cohort import make_phantom
from tests.helpers.cohorts import MARKER, SIZE, organ_mask


def init(cohort, out, *options):
    words = ["init", str(cohort), "--out", str(out), *map(str, options)]
    return CliRunner().invoke(main, words)


def rewrite(cohort, change):
    """Changes every row of a cohort file: a mapping from column to cell."""
    path = cohort / "cohort.csv"
    with path.open(newline="") as stream:
        rows = [
            change(number, row) for number, row in enumerate(csv.DictReader(stream))
        ]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def num_inside(mask, size):
    """Windows of a sixth's stride wholly under a mask, one after the other."""
    starts = range(0, SIZE - size + 1, size // 6)
    return sum(mask[y : y + size, x : x + size].all() for y in starts for x in starts)


def test_the_file_fits_the_phantom_and_prepare_runs_with_it(tmp_path):
    cohort = make_phantom(tmp_path / "cohort", patients=4, image_size=256).parent
    out = tmp_path / "experiment.yaml"
    result = init(cohort, out)
    assert result.exit_code == 0, result.output
    config = load_config(out)
    assert (config.cohort.positive, config.cohort.negative) == (
        "gastritis",
        "non_gastritis",
    )
    assert config.split.numbers["train_positive_patients"] == 1  # of two
    assert config.schedule.final_resolution <= config.patches.patch_size < 256
    words = ["prepare", cohort, "--config", out, "--out", tmp_path / "store"]
    done = CliRunner().invoke(main, [*map(str, words), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "no patch inside" not in done.output


def test_what_is_chosen_for_discs_of_radius_20(make_cohort, tmp_path):
    """Six patients, three a class; 64 pixels. Windows are counted by a loop."""
    cohort, out = make_cohort(), tmp_path / "experiment.yaml"
    result = init(cohort, out, "--positive", "dense")
    assert result.exit_code == 0, result.output
    assert MARKER not in result.output.replace(str(cohort), "")
    assert MARKER not in out.read_text()
    config = load_config(out)
    sizes = [size for size in (48, 32, 24, 16) if num_inside(organ_mask(), size) >= 4]
    assert config.patches.patch_size == sizes[0]
    assert config.patches.stride == sizes[0] // 6
    assert config.schedule.final_resolution == 2 ** int(np.log2(sizes[0]))
    assert (config.cohort.positive, config.cohort.negative) == ("dense", "fatty")
    assert config.split.train_positive_patients == 1  # 0.6 of three
    assert config.split.train_negative_patients == 1
    chosen = re.findall(r"^\s+(\w+): ", out.read_text(), re.MULTILINE)
    assert {"patch_size", "stride", "train_positive_patients"} <= set(chosen)


def test_twenty_patients_a_class_have_validation_patients(make_cohort, tmp_path):
    """Three fifths of 20 train; of these 12 two validate."""
    cohort = make_cohort(patients=40)
    result = init(cohort, tmp_path / "e.yaml", "--positive", "fatty")
    assert result.exit_code == 0, result.output
    split = load_config(tmp_path / "e.yaml").split
    assert split.numbers == {
        "train_positive_patients": 12,
        "train_negative_patients": 12,
        "validation_positive_patients": 2,
        "validation_negative_patients": 2,
    }


def test_a_split_in_the_cohort_file_is_kept(make_cohort, tmp_path):
    cohort = make_cohort()
    sides = ("train", "test", "test")
    rewrite(cohort, lambda n, row: {**row, "split": sides[n // 2 % 3]})
    result = init(cohort, tmp_path / "e.yaml", "--positive", "dense")
    assert result.exit_code == 0, result.output
    assert load_config(tmp_path / "e.yaml").split.train_positive_patients is None


@pytest.mark.parametrize("label", ["yes", "1", "n: a", "it's"])
def test_labels_that_yaml_would_read_as_something_else(make_cohort, tmp_path, label):
    cohort = make_cohort()
    rewrite(cohort, lambda n, row: {**row, "label": label if n < 6 else "0"})
    result = init(cohort, tmp_path / "e.yaml", "--positive", label)
    if label in ("n: a", "it's"):  # not a name of a class; see `cohort.positive`
        assert result.exit_code == 2
        assert "`cohort.positive` must name a class" in result.output
        return
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "e.yaml")
    assert (config.cohort.positive, config.cohort.negative) == (label, "0")


def unlabelled(n, row):
    return {**row, "label": f"class{n % 3}"}


def without_outlines(n, row):
    return {**row, "outline": ""}


def one_patient(n, row):
    return {**row, "label": "dense" if n < 2 else "fatty"}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, (), "name the positive class: --positive dense or --positive fatty"),
        (None, ("--positive", "dnse"), "--positive dnse is not a label of the cohort"),
        (unlabelled, (), "must have two different labels, and has 3"),
        (
            without_outlines,
            ("--positive", "dense"),
            "no image of the cohort has an out",
        ),
        (one_patient, ("--positive", "dense"), "has 1 positive patients; it needs two"),
        (
            None,
            ("--positive", "dense", "--resolution", 12),
            "`schedule.final_resolution` must be a power of two",
        ),
        (
            None,
            ("--positive", "dense", "--resolution", 64),
            "`schedule.final_resolution` must not exceed `patches.patch_size`",
        ),
    ],
)
def test_refusals(make_cohort, tmp_path, change, options, message):
    cohort = make_cohort()
    if change is not None:
        rewrite(cohort, change)
    result = init(cohort, tmp_path / "e.yaml", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "e.yaml").exists()


def test_no_file_is_overwritten(make_cohort, tmp_path):
    (tmp_path / "e.yaml").write_text("mine")
    assert init(make_cohort(), tmp_path / "e.yaml").exit_code == 2
    assert (tmp_path / "e.yaml").read_text() == "mine"


def test_a_damaged_image_is_named_by_its_row(make_cohort, tmp_path):
    cohort = make_cohort()
    (image,) = cohort.rglob(f"{MARKER}00.png")
    image.write_bytes(b"nothing")
    result = init(cohort, tmp_path / "e.yaml", "--positive", "dense")
    assert result.exit_code == 2
    assert "row 2 of the cohort file, image" in " ".join(result.output.split())
    assert MARKER not in result.output
