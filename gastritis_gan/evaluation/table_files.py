"""Results of GAN-train as CSV for a spreadsheet and LaTeX for a paper."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.evaluation.tables import (
    extractor_title,
    rows_over_runs,
    svm_name,
)

_KEYS = (
    "name",
    "generator_seed",
    "sample_seed",
    "num_positive_patches",
    "num_negative_patches",
)
_METRICS = ("sensitivity", "specificity", "harmonic_mean", "auc", "retention")
_COUNTS = (
    "num_positive",
    "num_negative",
    "num_patients",
    "true_positives",
    "false_negatives",
    "true_negatives",
    "false_positives",
    "ties",
)
_HEADER = (
    "extractor",
    "table",
    *_KEYS,
    "voters",
    "rule",
    "unit",
    *_COUNTS,
    *(f"{key}{end}" for key in _METRICS for end in ("", "_low", "_high")),
)


def csv_table(results: dict[str, Any]) -> str:
    """Returns one line per extractor, row, run and way to decide.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_HEADER)
    paper = {"voters": results["protocol"]["vote"], "rule": "majority", "unit": "image"}
    for evaluation in results["extractors"]:
        tables = {
            "rows": evaluation["rows"],
            "mixed": evaluation.get("controls", {}).get("mixed", []),
        }
        for name, rows in tables.items():
            for row in rows:
                for variant in (paper | row, *row["variants"]):
                    writer.writerow(
                        [
                            evaluation["extractor"]["name"],
                            name,
                            *(row[key] for key in _KEYS),
                            *(variant[key] for key in ("voters", "rule", "unit")),
                            *(variant[key] for key in _COUNTS),
                            *_numbers(variant),
                        ]
                    )
    return stream.getvalue()


def _numbers(entry: dict[str, Any]) -> Iterator[str]:
    for key in _METRICS:
        value, interval = entry.get(key), entry.get(f"{key}_interval")
        for number in (value, *(interval or (None, None))):
            yield "" if number is None else f"{number:.6f}"


def latex_tables(results: dict[str, Any]) -> str:
    """Returns one `table` per extractor; the best generated HM is bold.

    A row of several runs is one line, of their means.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    return "\n".join(
        _table(results, evaluation) for evaluation in results["extractors"]
    )


def _table(results: dict[str, Any], evaluation: dict[str, Any]) -> str:
    store, rows = results["store"], rows_over_runs(evaluation)
    generated = [row["harmonic_mean"] for row in rows if row["name"] != REAL_DATA_ROW]
    best = max(generated, default=None)
    lines = []
    for row in rows:
        cells = [_metric(row, key) for key in _METRICS[:3]]
        if row["harmonic_mean"] == best and row["name"] != REAL_DATA_ROW:
            cells[-1] = f"\\textbf{{{cells[-1]}}}"
        patches = f"{row['num_positive_patches']} + {row['num_negative_patches']}"
        cells = [escape(row["name"]), patches, *cells]
        lines.append(f"    {' & '.join(cells)} \\\\")
    caption = (
        f"Classification performance with {extractor_title(evaluation['extractor'])}: "
        f"{store['test_positive_images']} {store['positive']} and "
        f"{store['test_negative_images']} {store['negative']} test images of "
        f"{store['test_patients']} patients, {svm_name(results['protocol'])}. In "
        "parentheses 95 % intervals: Wilson's for Sen and Spe, a bootstrap over "
        "patients for HM."
    )
    if evaluation["means"]:
        caption += (
            " Rows of several runs have the means over them, and intervals of a "
            "bootstrap over patients and runs."
        )
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape(caption)}}}",
            rf"  \label{{tab:gan-train-{evaluation['extractor']['name']}}}",
            r"  \begin{tabular}{lrccc}",
            r"    \hline",
            r"    Training data & Patches & Sen & Spe & HM \\",
            r"    \hline",
            *lines,
            r"    \hline",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escape(text: str) -> str:
    """Returns text in which LaTeX finds no command."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    special |= {"^": r"\textasciicircum{}"}
    special |= {character: f"\\{character}" for character in "&%$#_{}"}
    return "".join(special.get(character, character) for character in text)


def _metric(row: dict[str, Any], key: str) -> str:
    low, high = row[f"{key}_interval"]
    return f"{row[key]:.3f} ({low:.3f}--{high:.3f})"
