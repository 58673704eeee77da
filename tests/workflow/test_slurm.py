"""The chain on a real SLURM of one node (`../shared/tools/slurm-one-node.sh`)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers.chains import NAMES, last_checkpoint, processes_of, wait_for

pytestmark = pytest.mark.slow

OPTIONS = (
    "--executor", "slurm", "--jobs", "2", "--set-threads", "fit=1",
    "--default-resources", "slurm_account=none", "slurm_partition=main",
    "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "5",
)  # fmt: skip


@pytest.fixture
def slurm(shared_dir, tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    if shutil.which("slurmctld") is None or os.geteuid() != 0:
        pytest.skip("needs root and Debian's slurm-wlm and munge")
    script = shared_dir / "tools" / "slurm-one-node.sh"
    subprocess.run([script, "start", tmp_path], check=True)
    yield
    subprocess.run([script, "stop", tmp_path], check=True)


def jobs():
    """The running jobs: what Snakemake calls each, and its number."""
    done = subprocess.run(
        ["squeue", "--noheader", "--states", "R", "--format", "%k|%i"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return dict(line.split("|") for line in done.stdout.splitlines())


def test_two_trainings_at_once_one_cancelled_and_the_same_bits(slurm, workplace, chain):
    out = workplace / "on_slurm"
    runs = out / "runs"
    command = [
        sys.executable, "-c", "from gastritis_gan.cli.main import main; main()",
        "reproduce", "--config", workplace / "config.yaml",
        "--cohort", workplace / "cohort", "--out", out, "--", *OPTIONS,
    ]  # fmt: skip
    with subprocess.Popen(command) as started:
        wait_for(lambda: sum(bool(processes_of(runs / name)) for name in NAMES) == 2)
        trained = [name for name in NAMES if processes_of(runs / name)]
        wait_for(lambda: any(last_checkpoint(runs / name) for name in trained))
        (cancelled, *_) = [name for name in trained if last_checkpoint(runs / name)]
        number = jobs()[f"rule_fit_wildcards_{cancelled}"]
        subprocess.run(["scancel", number], check=True)
        assert started.wait() == 2
    record = (runs / cancelled / "run.json").stat().st_mtime_ns

    subprocess.run(command, check=True)

    assert (runs / cancelled / "run.json").stat().st_mtime_ns == record
    for name in NAMES:
        assert last_checkpoint(runs / name) == last_checkpoint(chain / "runs" / name)
        for path in (chain / "samples" / name).glob("0*.png"):  # their XMP has a time
            images = [Image.open(p) for p in (path, out / "samples" / name / path.name)]
            np.testing.assert_array_equal(*images)
