from __future__ import annotations

import importlib.metadata

import gastritis_gan


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
