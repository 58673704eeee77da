"""The whole journey from a phantom cohort to a table, with configs/smoke.yaml."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main

NUM_PATIENTS = 8
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


@pytest.fixture(scope="module")
def journey(repository, tmp_path_factory):
    """Folder with everything that the commands write, and what they print."""
    root = tmp_path_factory.mktemp("journey")
    config = repository / "configs" / "smoke.yaml"
    printed = []

    def run(*arguments):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output

    run("phantom", "--out", root / "cohort", "--patients", NUM_PATIENTS,
        "--image-size", 256, "--seed", 0)  # fmt: skip
    printed.append(
        run("prepare", root / "cohort", "--config", config, "--out", root / "store")
    )
    for target in ("positive", "negative"):
        printed += [
            run("fit", "--config", config, "--store", root / "store", "--model",
                "lc_pggan", "--target", target, "--run", root / "runs" / target),
            run("export", root / "runs" / target, "--name", target,
                "--exported-dir", root / "exported"),
            run("sample", root / "exported" / target, "--count", 5, "--seed", 3,
                "--out", root / "samples" / target),
        ]  # fmt: skip
    printed.append(
        run("gan-train", "--config", config, "--store", root / "store",
            "--generators", root / "exported", "--out", root / "results")
    )  # fmt: skip
    return root, "\n".join(printed)


def test_samples_have_the_size_of_the_last_stage_and_a_manifest(journey):
    root, _ = journey
    for target, class_name in (
        ("positive", "gastritis"),
        ("negative", "non_gastritis"),
    ):
        folder = root / "samples" / target
        with (folder / "manifest.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [int(row["seed"]) for row in rows] == [3, 4, 5, 6, 7]
        assert {row["class"] for row in rows} == {class_name}
        for row in rows:
            image = np.asarray(Image.open(folder / row["file"]))
            assert (image.shape, image.dtype) == ((16, 16), np.uint8)


def test_run_keeps_its_settings_metrics_and_sheets(journey):
    root, _ = journey
    run = root / "runs" / "positive"
    lines = (run / "metrics.jsonl").read_text().splitlines()

    assert (run / "config.yaml").is_file()
    assert json.loads(lines[-1])["step"] == 12  # 96 images, 8 a step
    assert list(run.glob("sheet_*.png"))
    assert list((run / "tensorboard").iterdir())
    assert list((run / "checkpoints").iterdir())


def test_table_has_the_generators_and_the_real_data(journey):
    root, printed = journey
    table = (root / "results" / "table.md").read_text()

    assert "| LC-PGGAN |" in table
    assert "| Real data (Ideal) |" in table
    assert table.strip() in printed
    json.loads((root / "results" / "results.json").read_text())


def test_every_output_knows_the_split_of_its_store(journey):
    root, _ = journey
    split_hash = json.loads((root / "store" / "store.json").read_text())["split_hash"]

    for file in (
        "runs/positive/run.json",
        "exported/positive/1/assets.extra/model_card.json",
        "results/results.json",
    ):
        assert split_hash in (root / file).read_text(), file


def test_nothing_that_was_written_or_printed_identifies_a_patient(journey):
    root, printed = journey
    cohort = root / "cohort"
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
    assert len(secrets) > 5 * NUM_PATIENTS  # the cohort has something to hide

    outputs = [p for p in root.rglob("*") if p.is_file() and cohort not in p.parents]
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
