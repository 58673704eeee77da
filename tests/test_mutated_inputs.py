"""Mutated images, tables, configs, cards, stores, runs and audits: a refusal each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.config import config_to_dict
from gastritis_gan.privacy.verdict import write_audit
from gastritis_gan.serving.model_folder import write_model_card
from gastritis_gan.training.run import Run
from tests.helpers.audits import document
from tests.helpers.cohorts import grey_dataset, save_dicom
from tests.helpers.exported_models import METADATA
from tests.helpers.gan_train_results import make_result
from tests.helpers.striped_store import invoke, make_workplace
from tests.helpers.tiny_run import CONFIG

FEW, MANY = 300, 10_000
GROWTH_MIB = 200
SECONDS = 3000  # many times what it takes: only a hang takes longer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    base = folder / "base"
    (base / "cohort").mkdir(parents=True)
    cohort = make_workplace(base / "cohort", images_per_patient=1)
    for name in ("config.yaml", "store"):
        (cohort / name).rename(base / name)
    for path in cohort.glob("store*"):
        path.unlink()
    lines = (cohort / "cohort.csv").read_text().splitlines()
    pixels = np.asarray(Image.open(cohort / lines[1].split(",")[0]))
    save_dicom(cohort / "a.dcm", grey_dataset(pixels))
    Image.fromarray(pixels).save(cohort / "b.tif")
    for number, name in ((1, "a.dcm"), (2, "b.tif")):
        image, rest = lines[number].split(",", 1)
        (cohort / image).unlink()
        lines[number] = f"{name},{rest}"
    (cohort / "cohort.csv").write_text("\n".join(lines) + "\n")

    version = base / "exported" / "1"
    (version / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (version / name).write_bytes(b"x")
    write_model_card(version, {**METADATA, "name": "small", "version": 1})

    record = {"model": "lc_pggan", "target": "positive", "class_name": "dense"}
    run = Run(base / "runs" / "a", record, config_to_dict(CONFIG))
    run.create()
    run.append_metrics({"step": 6, "num_images": 22, "resolution": 8, "verdicts": []})

    for name in ("results", "other_results"):
        (base / name).mkdir()
        result = make_result([5] * 10 + [0] * 10)
        (base / name / "results.json").write_text(json.dumps(result))
    (base / "audit").mkdir()
    (base / "audit" / "report.html").write_text("the page")
    card = {"name": "lc", "version": 2, "model_hash": "cd" * 32, "split_hash": "ab"}
    write_audit(base / "audit", document([card]), key=None)
    return folder


def read_mutated(folder, repository, first, count):
    """Reads mutations in a process of its own; returns how many were refused."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.mutated_inputs",
         folder, str(first), str(count)],
        cwd=repository,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert not found["faults"], "\n".join(found["faults"].values())
    assert found["read"] + found["refused"] == count
    assert found["grown_mib"] < GROWTH_MIB
    return found["refused"]


def test_the_inputs_are_good(folder):
    base = folder / "base"
    result = invoke("prepare", base / "cohort", "--config", base / "config.yaml",
                    "--out", folder / "good", "--workers", 1)  # fmt: skip
    assert result.exit_code == 0, result.output


def test_few_mutated_inputs(folder, repository):
    assert read_mutated(folder, repository, 0, FEW) > FEW / 3


@pytest.mark.slow
def test_many_mutated_inputs(folder, repository):
    size = MANY // 10
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        refused = pool.map(
            lambda n: read_mutated(folder, repository, FEW + n * size, size), range(10)
        )
        assert sum(refused) > MANY / 3
