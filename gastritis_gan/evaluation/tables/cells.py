"""What the tables have in common: how a figure is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """Returns `0.777 (0.712-0.838)`, or a dash for a figure that is undefined."""
    if value is None or interval is None:
        return "-"
    low, high = interval
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def figure(entry: dict[str, Any], key: str) -> str:
    """Returns a figure of an entry with its interval."""
    return with_interval(entry[key], entry[f"{key}_interval"])


def discordant(entry: dict[str, Any]) -> str:
    """Returns on how many patients only one of two rows is right: `5 : 0 of 20`."""
    only_first, only_second = entry["only_first_right"], entry["only_second_right"]
    return f"{only_first} : {only_second} of {entry['num_patients']}"


def row_name(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Returns a row's name, with its seeds where the row has several runs."""
    if sum(other["name"] == row["name"] for other in rows) == 1:
        return str(row["name"])
    seeds = []
    if row["generator_seed"] is not None:
        seeds.append(f"generator seed {row['generator_seed']}")
    seeds.append(f"sample seed {row['sample_seed']}")
    return f"{row['name']}, {', '.join(seeds)}"


def extractor_title(extractor: dict[str, Any]) -> str:
    """Returns the extractor's name and dimension, and a warning about its weights."""
    title = f"{extractor['name']} ({extractor['dim']:,} features)"
    remarks = {
        "random": ", RANDOM WEIGHTS: for tests only",
        "not verified": ", weights not verified to be ImageNet's",
    }
    return title + remarks.get(extractor.get("weights", ""), "")


def svm_name(protocol: dict[str, Any]) -> str:
    """Returns the classifier in words."""
    kernel = {"linear": "linear SVM", "rbf": "SVM with an RBF kernel"}
    scaling = {
        "standard": "standardised features",
        "unit_length": "features scaled to unit length",
        "none": "features as they are",
    }
    return (
        f"{kernel[protocol['svm_kernel']]} (C = {protocol['svm_c']:g}, "
        f"{scaling[protocol['svm_scaling']]})"
    )
