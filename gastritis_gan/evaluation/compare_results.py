"""Two GAN-train results on the same test images, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.comparison import difference, mcnemar
from gastritis_gan.evaluation.decisions import Decisions, decide, decide_patients
from gastritis_gan.evaluation.tables.cells import discordant, extractor_title, figure
from gastritis_gan.evaluation.tables.markdown import table
from gastritis_gan.evaluation.votes import Votes

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


def compare_results(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Returns a Markdown table for each extractor that both results have.

    Args:
        first: As in `results.json` (docs/results-format.md).
        second: Of the same test images.

    Raises:
        InputError: The results are on different test images, or have no extractor with
            the same features in common.
    """
    _refuse_what_cannot_be_compared(first, second)
    seed = first["protocol"]["seed"]
    parts = ["# First less second", _n(first), *_differing_protocol(first, second)]
    for one, other in _common_extractors(first, second):
        lines = []
        names = [row["name"] for row in one["rows"]]
        for name in dict.fromkeys(names):
            runs = [
                [row for row in result["rows"] if row["name"] == name]
                for result in (one, other)
            ]
            if not all(runs):
                continue
            images = [
                [_decisions(result, row) for row in found]
                for result, found in zip((first, second), runs, strict=True)
            ]
            patients = [
                _decisions(result, found[0], per_patient=True)
                for result, found in zip((first, second), runs, strict=True)
            ]
            differences = difference(*images, seed=seed)
            test = mcnemar(*patients)
            lines.append(
                [
                    name,
                    f"{len(runs[0])}, {len(runs[1])}",
                    *(_mean_harmonic_mean(found) for found in runs),
                    figure(differences, "harmonic_mean_difference"),
                    figure(differences, "auc_difference"),
                    discordant(test),
                    f"{test['mcnemar_p']:.3g}",
                ]
            )
        parts.append(f"## {extractor_title(one['extractor'])}")
        parts.append(table(_COLUMNS, lines) if lines else "No row is in both.")
    return "\n\n".join(parts)


def _refuse_what_cannot_be_compared(
    first: dict[str, Any], second: dict[str, Any]
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
    if not _common_extractors(first, second):
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


def _n(result: dict[str, Any]) -> str:
    labels = [image["label"] for image in result["images"]]
    num_patients = len({image["patient"] for image in result["images"]})
    return (
        f"{len(labels)} test images ({labels.count('positive')} positive, "
        f"{labels.count('negative')} negative) of {num_patients} patients. In "
        "parentheses: 95 % intervals, a bootstrap over patients."
    )


def _differing_protocol(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Returns a sentence on the settings in which the two differ, if they do."""
    differing = [
        f"`{key}` ({value} and {second['protocol'].get(key)})"
        for key, value in first["protocol"].items()
        if second["protocol"].get(key) != value
    ]
    return [f"They differ in {', '.join(differing)}."] if differing else []


def _decisions(
    result: dict[str, Any], row: dict[str, Any], *, per_patient: bool = False
) -> Decisions:
    images = result["images"]
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


def _mean_harmonic_mean(rows: list[dict[str, Any]]) -> str:
    return f"{np.mean([row['harmonic_mean'] for row in rows]):.3f}"
