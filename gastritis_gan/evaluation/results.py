"""What an evaluation returns: results, their tables, and files of both."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Any, ClassVar

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.digest import (
    comparison_digest,
    gan_train_digest,
    image_metrics_digest,
)
from gastritis_gan.evaluation.table_files import csv_table, latex_tables
from gastritis_gan.evaluation.tables import (
    markdown_comparison,
    markdown_metrics,
    markdown_tables,
    summary_table,
)
from gastritis_gan.storage import (
    new_folder,
    read_json,
    refused_if_damaged,
    write_bytes,
    write_json,
)

RESULT_FORMAT = 3  # of results.json
METRICS_FORMAT = 1  # of metrics.json

_PACKAGES = ("gastritis-gan", "numpy", "scikit-learn", "scipy")


@dataclasses.dataclass(frozen=True)
class _Result:
    results: dict[str, Any]

    _json_file: ClassVar[str]
    _table_file: ClassVar[str]
    _write_table: ClassVar[staticmethod[[dict[str, Any]], str]]
    _write_digest: ClassVar[staticmethod[[dict[str, Any]], str]]

    @functools.cached_property
    def table(self) -> str:
        """The tables as Markdown."""
        return type(self)._write_table(self.results)

    @functools.cached_property
    def digest(self) -> str:
        """A short table of at most 100 columns, and one sentence on it."""
        return type(self)._write_digest(self.results)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the results as JSON, and their tables.

        Args:
            folder: Is made; it must not exist.

        Raises:
            InputError: `folder` exists.
        """
        with new_folder(Path(folder)) as partial:
            write_json(partial / self._json_file, self.results)
            write_bytes(partial / self._table_file, self.table.encode())
            self._save_more(partial)

    def _save_more(self, folder: Path) -> None:
        """Writes further files of this kind of result."""


class GanTrainResult(_Result):
    """The result of GAN-train; `save` also writes a summary, CSV, LaTeX and `plots/`.

    Attributes:
        results: As in `results.json` (docs/results-format.md).
    """

    _json_file = "results.json"
    _table_file = "table.md"
    _write_table = staticmethod(markdown_tables)
    _write_digest = staticmethod(gan_train_digest)

    @functools.cached_property
    def summary(self) -> str:
        """The paper's three tables as one in Markdown, with means over runs."""
        return summary_table(self.results)

    def _save_more(self, folder: Path) -> None:
        from gastritis_gan.evaluation.plots import write_plots  # needs matplotlib

        write_bytes(folder / "summary.md", self.summary.encode())
        write_bytes(folder / "table.csv", csv_table(self.results).encode())
        write_bytes(folder / "table.tex", latex_tables(self.results).encode())
        write_plots(self.results, folder / "plots")

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
        with refused_if_damaged(path, "Repeat `gan-train`."):
            result = cls(results)
            repr(result)
        return result

    def __repr__(self) -> str:
        names = [entry["extractor"]["name"] for entry in self.results["extractors"]]
        rows = {row["name"] for e in self.results["extractors"] for row in e["rows"]}
        return f"<GanTrainResult: {len(rows)} rows, {', '.join(names)}>"


class ImageMetricsResult(_Result):
    """Distances and diversity of samples.

    Attributes:
        results: As in `metrics.json` (docs/results-format.md).
    """

    _json_file = "metrics.json"
    _table_file = "metrics.md"
    _write_table = staticmethod(markdown_metrics)
    _write_digest = staticmethod(image_metrics_digest)

    def __repr__(self) -> str:
        names = [entry["extractor"]["name"] for entry in self.results["extractors"]]
        classes = ", ".join(self.results["classes"])
        return f"<ImageMetricsResult: {classes} samples, {', '.join(names)}>"


class CompareResult(_Result):
    """The rows of one GAN-train result minus those of another.

    Attributes:
        results: As in `comparison.json` (docs/results-format.md).
    """

    _json_file = "comparison.json"
    _table_file = "comparison.md"
    _write_table = staticmethod(markdown_comparison)
    _write_digest = staticmethod(comparison_digest)


def describe_code() -> dict[str, Any]:
    """Returns the versions in use, and the SHA-256 of the package's own sources.

    The hash covers the Python files of the package without its commands: name, a
    newline, content, in the order of the names.
    """
    digest = hashlib.sha256()
    folder = Path(__file__).parents[1]  # of the package
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith("cli/"):  # it is in the package when it is installed
            digest.update(f"{name}\n".encode() + path.read_bytes())
    return {
        "sha256": digest.hexdigest(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }
