"""What an evaluation returns: results, their tables, and files of both."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Any

import gastritis_gan
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.table_files import csv_table, latex_tables
from gastritis_gan.evaluation.tables import markdown_metrics, markdown_tables
from gastritis_gan.storage import new_folder, read_json, write_bytes, write_json

RESULT_FORMAT = 3  # of results.json
METRICS_FORMAT = 1  # of metrics.json

_PACKAGES = ("gastritis-gan", "numpy", "scikit-learn", "scipy")


@dataclasses.dataclass(frozen=True)
class GanTrainResult:
    """The result of GAN-train.

    Attributes:
        results: As in `results.json` (docs/results-format.md).
    """

    results: dict[str, Any]

    @functools.cached_property
    def table(self) -> str:
        """The tables as Markdown."""
        return markdown_tables(self.results)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes results.json, table.md, table.csv, table.tex and `plots/`.

        Args:
            folder: Is made; it must not exist.

        Raises:
            InputError: `folder` exists.
        """
        from gastritis_gan.evaluation.plots import write_plots  # needs matplotlib

        with new_folder(Path(folder)) as partial:
            write_json(partial / "results.json", self.results)
            write_bytes(partial / "table.md", self.table.encode())
            write_bytes(partial / "table.csv", csv_table(self.results).encode())
            write_bytes(partial / "table.tex", latex_tables(self.results).encode())
            write_plots(self.results, partial / "plots")

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> GanTrainResult:
        """Reads the result in a folder that `save` has made.

        Raises:
            InputError: There is none, or it has another format.
        """
        path = Path(folder) / "results.json"
        if not path.is_file():
            raise InputError(
                f"{path} does not exist; give a folder that `gastritis-gan gan-train` "
                "has made."
            )
        results = read_json(path)
        if not isinstance(results, dict) or results.get("format") != RESULT_FORMAT:
            raise InputError(
                f"{path} is not a GAN-train result of format {RESULT_FORMAT}; make it "
                "again with this version of gastritis-gan."
            )
        return cls(results)

    def __repr__(self) -> str:
        names = [entry["extractor"]["name"] for entry in self.results["extractors"]]
        rows = {row["name"] for e in self.results["extractors"] for row in e["rows"]}
        return f"<GanTrainResult: {len(rows)} rows, {', '.join(names)}>"


@dataclasses.dataclass(frozen=True)
class ImageMetricsResult:
    """Distances and diversity of samples.

    Attributes:
        results: As in `metrics.json` (docs/results-format.md).
    """

    results: dict[str, Any]

    @functools.cached_property
    def table(self) -> str:
        """The tables as Markdown."""
        return markdown_metrics(self.results)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes metrics.json and metrics.md.

        Args:
            folder: Is made; it must not exist.

        Raises:
            InputError: `folder` exists.
        """
        with new_folder(Path(folder)) as partial:
            write_json(partial / "metrics.json", self.results)
            write_bytes(partial / "metrics.md", self.table.encode())

    def __repr__(self) -> str:
        names = [entry["extractor"]["name"] for entry in self.results["extractors"]]
        classes = ", ".join(self.results["classes"])
        return f"<ImageMetricsResult: {classes} samples, {', '.join(names)}>"


def describe_code() -> dict[str, Any]:
    """Returns the versions in use, and the SHA-256 of the package's own sources.

    The hash covers the Python files of the package without its commands: name, a
    newline, content, in the order of the names.
    """
    digest = hashlib.sha256()
    folder = Path(gastritis_gan.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("cli/"):  # it is in the package when it is installed
            digest.update(f"{name}\n".encode() + path.read_bytes())
    return {
        "sha256": digest.hexdigest(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }
