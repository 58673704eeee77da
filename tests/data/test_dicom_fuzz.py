from __future__ import annotations

import os
import subprocess
import sys

import pytest

NUM_FILES = 10_000
LARGEST_SEED_BYTES = 100_000
SECONDS = 1800  # a hundred times what it takes: only a hang takes longer


@pytest.mark.slow
def test_no_mutated_file_raises_hangs_or_takes_2_gib(shared_dir, repository, tmp_path):
    folder = shared_dir / "data" / "dicom_flavours" / "files"
    seeds = sorted(
        path
        for path in folder.glob("*.dcm")
        if path.stat().st_size <= LARGEST_SEED_BYTES
    )
    script = repository / "tests" / "data" / "read_mutated_dicom.py"
    work_file = tmp_path / "mutated.dcm"
    result = subprocess.run(
        [sys.executable, script, "0", str(NUM_FILES), work_file, *seeds],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
