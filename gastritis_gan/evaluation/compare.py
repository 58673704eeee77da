"""Two GAN-train results on the same test images, row by row."""

from __future__ import annotations

import dataclasses
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.gan_train import Decisions, Votes, decide, decide_patients
from gastritis_gan.evaluation.metrics import difference, mcnemar
from gastritis_gan.evaluation.results import GanTrainResult
from gastritis_gan.evaluation.tables import (
    discordant,
    extractor_title,
    markdown_table,
    metric_cell,
)
from gastritis_gan.storage import new_folder, write_bytes, write_json

_COMPARISON_FORMAT = 1
_COLUMNS = (
    "Training data",
    "runs",
    "HM first",
    "HM second",
    "difference in HM",
    "difference in AUC",
    "patients only one gets right",
    "McNemar's p",
)


@dataclasses.dataclass(frozen=True)
class CompareResult:
    """The rows of one GAN-train result minus those of another.

    Attributes:
        results: As in `comparison.json` (docs/results-format.md).
    """

    results: dict[str, Any]

    @functools.cached_property
    def table(self) -> str:
        """The tables as Markdown."""
        images = self.results["images"]
        parts = [
            "# First minus second",
            f"{images['positive'] + images['negative']} test images "
            f"({images['positive']} positive, {images['negative']} negative) of "
            f"{images['patients']} patients. In parentheses: 95 % intervals, a "
            "bootstrap over patients.",
        ]
        differing = [
            f"`{key}` ({first} and {second})"
            for key, (first, second) in self.results["differing_protocol"].items()
        ]
        if differing:
            parts.append(f"They differ in {', '.join(differing)}.")
        for entry in self.results["extractors"]:
            lines = [
                [
                    row["name"],
                    "{}, {}".format(*row["num_runs"]),
                    *(f"{value:.3f}" for value in row["harmonic_means"]),
                    metric_cell(row, "harmonic_mean_difference"),
                    metric_cell(row, "auc_difference"),
                    discordant(row),
                    f"{row['mcnemar_p']:.3g}",
                ]
                for row in entry["rows"]
            ]
            parts.append(f"## {extractor_title(entry['extractor'])}")
            parts.append(
                markdown_table(_COLUMNS, lines) if lines else "No row is in both."
            )
        return "\n\n".join(parts)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes comparison.json and comparison.md.

        Args:
            folder: Is made; it must not exist.

        Raises:
            InputError: `folder` exists.
        """
        with new_folder(Path(folder)) as partial:
            write_json(partial / "comparison.json", self.results)
            write_bytes(partial / "comparison.md", (self.table + "\n").encode())


Result = GanTrainResult | str | os.PathLike[str]


def compare(first: Result, second: Result) -> CompareResult:
    """Compares the rows that two results have in common, extractor by extractor.

    Args:
        first: What `gan_train` returned, or the folder that it wrote.
        second: Another one, of the same test images.

    Raises:
        InputError: The results are on different test images, or have no extractor with
            the same features in common.

    Example:
        >>> comparison = gg.compare("results/phantom", "results/phantom")
        >>> comparison.table.splitlines()[0][:1]
        '#'
    """
    one, other = (
        (r if isinstance(r, GanTrainResult) else GanTrainResult.open(r)).results
        for r in (first, second)
    )
    evaluations = _common_extractors(one, other)
    _check_comparable(one, other, evaluations)
    images = one["images"]
    labels = [image["label"] for image in images]
    return CompareResult(
        {
            "format": _COMPARISON_FORMAT,
            "images": {
                "positive": labels.count("positive"),
                "negative": labels.count("negative"),
                "patients": len({image["patient"] for image in images}),
            },
            "differing_protocol": {
                key: [value, other["protocol"].get(key)]
                for key, value in one["protocol"].items()
                if other["protocol"].get(key) != value
            },
            "extractors": [
                {
                    "extractor": pair[0]["extractor"],
                    "rows": _compare_rows(pair, images, seed=one["protocol"]["seed"]),
                }
                for pair in evaluations
            ],
        }
    )


def _check_comparable(
    first: dict[str, Any], second: dict[str, Any], evaluations: list[Any]
) -> None:
    images = [
        [(image["key"], image["label"], image["patient"]) for image in result["images"]]
        for result in (first, second)
    ]
    hashes = [result["store"]["split_hash"] for result in (first, second)]
    if hashes[0] != hashes[1] or images[0] != images[1]:
        raise InputError(
            "the two results are on different test images, so a difference would be "
            "about the images; run `gan-train` twice with one store and one "
            "`evaluation.vote`."
        )
    if not evaluations:
        raise InputError(
            "the two results have no extractor with the same features in common; run "
            "`gan-train` with the same `evaluation.extractors`, size and weights."
        )


def _common_extractors(
    first: dict[str, Any], second: dict[str, Any]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    def identity(evaluation: dict[str, Any]) -> tuple[Any, ...]:
        extractor = evaluation["extractor"]
        keys = ("name", "input_size", "weights_sha256")
        return tuple(extractor.get(key) for key in keys)

    others = {identity(evaluation): evaluation for evaluation in second["extractors"]}
    return [
        (evaluation, others[identity(evaluation)])
        for evaluation in first["extractors"]
        if identity(evaluation) in others
    ]


def _compare_rows(
    evaluations: tuple[dict[str, Any], dict[str, Any]],
    images: list[dict[str, Any]],
    *,
    seed: int,
) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys(row["name"] for row in evaluations[0]["rows"]):
        first, second = (
            [row for row in evaluation["rows"] if row["name"] == name]
            for evaluation in evaluations
        )
        if not second:
            continue
        rows.append(
            {
                "name": name,
                "num_runs": [len(first), len(second)],
                "harmonic_means": [
                    float(np.mean([row["harmonic_mean"] for row in runs]))
                    for runs in (first, second)
                ],
                **difference(
                    [_decisions(images, row) for row in first],
                    [_decisions(images, row) for row in second],
                    seed=seed,
                ),
                **mcnemar(
                    _decisions(images, first[0], per_patient=True),
                    _decisions(images, second[0], per_patient=True),
                ),
            }
        )
    return rows


def _decisions(
    images: list[dict[str, Any]], row: dict[str, Any], *, per_patient: bool = False
) -> Decisions:
    totals = np.array([image["patches"] for image in images])
    votes = Votes(
        positive=np.array(row["positive_votes"]),
        total=totals,
        score_sum=np.array(row["mean_scores"]) * totals,
    )
    labels = np.array([image["label"] == "positive" for image in images])
    patients = np.array([image["patient"] for image in images])
    decide_by = decide_patients if per_patient else decide
    return decide_by(votes, labels, patients, rule="majority")
