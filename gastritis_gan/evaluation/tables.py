"""Results as Markdown, in the layout of the paper's Tables 1-3."""

from __future__ import annotations

from typing import Any

_COLUMNS = (
    "Training data",
    "patches (pos. + neg.)",
    "Sen",
    "Spe",
    "HM",
    "TP",
    "FN",
    "TN",
    "FP",
    "ties",
)


def markdown_tables(results: dict[str, Any]) -> str:
    """Returns one table per extractor, with what one must know to read it.

    Args:
        results: As in `results.json` (docs/evaluation.md).
    """
    parts = [_introduction(results)]
    for evaluation in results["extractors"]:
        extractor = evaluation["extractor"]
        cells = [_COLUMNS, ["---"] * len(_COLUMNS), *map(_cells, evaluation["rows"])]
        lines = [f"| {' | '.join(row)} |\n" for row in cells]
        title = f"## {extractor['name']} ({extractor['dim']:,} features)"
        parts.append(f"{title}\n\n{''.join(lines)}")
        unfinished = [r["name"] for r in evaluation["rows"] if not r["svm_converged"]]
        if unfinished:
            parts.append(
                f"The SVM of {', '.join(unfinished)} stopped before it converged.\n"
            )
    return "\n".join(parts)


def _introduction(results: dict[str, Any]) -> str:
    store, protocol = results["store"], results["protocol"]
    voters = (
        "all patches vote"
        if protocol["vote"] == "all"
        else "the patches inside the organ vote"
    )
    lines = [
        "# GAN-train",
        "",
        f"A linear SVM trained on each row's patches classifies {store['test_images']} "
        f"real test images ({store['test_positive_images']} {store['positive']}, "
        f"{store['test_negative_images']} {store['negative']}) of "
        f"{store['test_patients']} patients by majority vote: {voters}, at "
        f"{protocol['resolution']} x {protocol['resolution']} pixels; a tie counts as "
        f"{store['positive']}. Test images left out because no patch votes: "
        f"{store['excluded_images']}.",
        "",
        "In parentheses: 95 % intervals, Wilson's for Sen and Spe (each image one "
        "trial), a bootstrap over patients for HM. They hold the generators fixed.",
        "",
    ]
    lines += [f"- {note}" for note in results["notes"]]
    return "\n".join([*lines, ""] if results["notes"] else lines)


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["name"],
        f"{row['num_positive_patches']:,} + {row['num_negative_patches']:,}",
        *(
            _with_interval(row[key], row[f"{key}_interval"])
            for key in ("sensitivity", "specificity", "harmonic_mean")
        ),
        *(
            str(row[key])
            for key in (
                "true_positives",
                "false_negatives",
                "true_negatives",
                "false_positives",
                "ties",
            )
        ),
    ]


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{value:.3f} ({low:.3f}-{high:.3f})"
