"""Reads a result of GAN-train back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json

RESULT_FORMAT = 2


def read_result(folder: Path) -> dict[str, Any]:
    """Returns `results.json` of a folder that `gan-train` made.

    Raises:
        InputError: There is none, or it has another format.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise InputError(
            f"{path} does not exist; give a folder that `gastritis-gan gan-train` has "
            "made."
        )
    result = read_json(path)
    if not isinstance(result, dict) or result.get("format") != RESULT_FORMAT:
        raise InputError(
            f"{path} is not a GAN-train result of format {RESULT_FORMAT}; make it "
            "again with this version of gastritis-gan."
        )
    return result
