"""Two GAN-train results on the same test images, row by row."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.gan_train import Votes
from gastritis_gan.evaluation.metrics import (
    Decisions,
    decide,
    decide_patients,
    difference,
    mcnemar,
)
from gastritis_gan.evaluation.results import CompareResult, GanTrainResult
from gastritis_gan.storage import refused_if_damaged

_COMPARISON_FORMAT = 1
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
    names = [
        f"the {place} result" if isinstance(r, GanTrainResult) else os.fspath(r)
        for place, r in (("first", first), ("second", second))
    ]
    with refused_if_damaged("one of the results", "Repeat `gan-train`."):
        result = CompareResult({"names": names, **_compare(one, other)})
        result.table  # noqa: B018  (what it shows is in the results as well)
    return result


def _compare(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    evaluations = _common_extractors(one, other)
    _check_comparable(one, other, evaluations)
    images = one["images"]
    labels = [image["label"] for image in images]
    return {
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
        "only_in": [_only_in(one, other), _only_in(other, one)],
        "extractors": [
            {
                "extractor": pair[0]["extractor"],
                "rows": _compare_rows(pair, images, seed=one["protocol"]["seed"]),
            }
            for pair in evaluations
        ],
    }


def _only_in(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Returns the extractors and rows that the other result lacks, in words."""
    pairs = {id(e): match for e, match in _common_extractors(one, other)}
    only = []
    for evaluation in one["extractors"]:
        name = evaluation["extractor"]["name"]
        match = pairs.get(id(evaluation))
        if match is None:
            only.append(f"{name} features")
            continue
        theirs = {row["name"] for row in match["rows"]}
        ours = dict.fromkeys(row["name"] for row in evaluation["rows"])
        only += [f"{row} with {name} features" for row in ours if row not in theirs]
    return only


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
