"""Which code made a result."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

_PACKAGES = ("gastritis-gan", "numpy", "scikit-learn", "scipy")


def describe_code() -> dict[str, Any]:
    """Returns the versions in use, and the SHA-256 of the project's own sources.

    The hash covers the Python files of the package and of the commands: name, a
    newline, content, in the order of the names.
    """
    import importlib.metadata

    import gastritis_gan

    digest = hashlib.sha256()
    folders = {"cli": Path(__file__).parent}
    folders["gastritis_gan"] = Path(gastritis_gan.__file__).parent
    for prefix, folder in sorted(folders.items()):
        for path in sorted(folder.rglob("*.py")):
            name = f"{prefix}/{path.relative_to(folder).as_posix()}"
            if not name.startswith("gastritis_gan/cli/"):  # an installed `cli`, again
                digest.update(f"{name}\n".encode() + path.read_bytes())
    return {
        "sha256": digest.hexdigest(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }
