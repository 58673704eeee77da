"""Runs that follow each other in one process are those of processes of their own."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def checkpoints(repository, folder, *runs):
    result = subprocess.run(
        [sys.executable, "-m", "tests.helpers.fits", folder, *runs],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout.split()


def test_a_run_does_not_depend_on_the_runs_before_it(repository, tmp_path):
    """SHA-256 of the last checkpoints, mirrored and not, of networks of two widths."""
    runs = ("mirrored-wide", "one-narrow", "mirrored-narrow", "one-narrow")
    together = checkpoints(repository, tmp_path / "together", *runs)
    alone = [
        checkpoints(repository, tmp_path / name, name)[0]
        for name in ("mirrored-narrow", "one-narrow")
    ]
    assert together[2:] == alone
    assert together[1] == alone[1]
    assert len({*together}) == 3
