"""dciodvfy, of David Clunie's dicom3tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.helpers.outside_programs import find_or_skip

# Debian's is of 2022; PS3.6 has Synthetic Data since 2023.
_YOUNGER = ("(0x0008,0x001c)", "(0008,001c)", "this is a Standard Extended SOP Class")


def validate(path: Path, *options: str) -> list[str]:
    """Returns its lines on a file but those on (0008,001C), which it does not know."""
    command = [find_or_skip("dciodvfy"), *options, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return [line for line in lines if not any(tag in line for tag in _YOUNGER)]
