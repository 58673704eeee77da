"""Programs and fonts of the system that some tests need."""

import os
import shutil
import sys
from pathlib import Path

import pytest

# `.ci/run` sets it where it has installed them all: then nothing may be missing.
REQUIRED = "GASTRITIS_GAN_OUTSIDE_PROGRAMS"


def find_or_skip(name: str) -> str:
    """Returns the path of a program, or of a file that is named by its path.

    Without it the test is skipped, or fails where `.ci/run` has installed it.
    """
    places = [str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"]
    path = shutil.which(name, path=os.pathsep.join(places))
    if path is None and Path(name).is_file():
        path = name
    if path is None:
        (pytest.fail if os.environ.get(REQUIRED) else pytest.skip)(f"needs {name}")
    return path
