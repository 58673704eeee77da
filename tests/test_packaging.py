from __future__ import annotations

import importlib.metadata
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import gastritis_gan

DISTRIBUTIONS = "GASTRITIS_GAN_DIST"


def test_installed_version_is_that_of_the_package():
    assert importlib.metadata.version("gastritis-gan") == gastritis_gan.__version__


def test_every_folder_with_code_is_a_package(repository):
    # setup.py finds packages by this file; a folder without it is missing from a wheel.
    folders = {
        path.parent
        for top in ("gastritis_gan", "cli")
        for path in (repository / top).rglob("*.py")
    }

    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_plain_install_stays_light():
    requirements = importlib.metadata.requires("gastritis-gan")
    plain = {line.split(">")[0] for line in requirements if "extra ==" not in line}

    decoding = {"imagecodecs", "pillow", "pydicom"}
    assert plain == {"click", "numpy", "PyYAML", "tqdm"} | decoding


@pytest.fixture
def distributions() -> Path:
    """Folder with the wheel and the sdist, which `.ci/run` has built."""
    if DISTRIBUTIONS not in os.environ:
        pytest.skip(f"needs the folder of a build in {DISTRIBUTIONS}")
    return Path(os.environ[DISTRIBUTIONS])


def test_wheel_holds_the_package_and_nothing_else(repository, distributions):
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    code = {
        path.relative_to(repository)
        for top in ("gastritis_gan", "cli")
        for path in (repository / top).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == {
        f"gastritis_gan/{path.as_posix()}"
        if path.parts[0] == "cli"
        else path.as_posix()
        for path in code
    }


def test_sdist_holds_what_is_committed(repository, distributions):
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        files = [Path(*Path(m.name).parts[1:]) for m in archive if m.isfile()]
    made = {"PKG-INFO", "setup.cfg", "gastritis_gan.egg-info"}
    left_out = {".ci", ".github", ".gitignore", ".pre-commit-config.yaml", "exported"}
    listed = subprocess.run(
        ["git", "ls-files"], cwd=repository, capture_output=True, check=True, text=True
    )
    committed = {Path(line) for line in listed.stdout.splitlines()}

    assert {file for file in files if file.parts[0] not in made} == {
        file for file in committed if file.parts[0] not in left_out
    }
