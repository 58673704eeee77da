"""Results as Markdown, in the layout of the paper's Tables 1-3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gastritis_gan.evaluation.tables.cells import (
    discordant,
    extractor_title,
    figure,
    row_name,
    svm_name,
    with_interval,
)

_COLUMNS = (
    "Training data",
    "patches (pos. + neg.)",
    "Sen",
    "Spe",
    "HM",
    "AUC",
    "retention",
    "TP",
    "FN",
    "TN",
    "FP",
    "ties",
)
_COUNTS = (
    "true_positives",
    "false_negatives",
    "true_negatives",
    "false_positives",
    "ties",
)
_VOTERS = {"all": "all patches", "inside": "patches inside"}
_RULES = {"majority": "majority", "mean_score": "mean score"}


def markdown_tables(results: dict[str, Any]) -> str:
    """Returns the tables of each extractor, with what one must know to read them.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    parts = [_introduction(results)]
    for evaluation in results["extractors"]:
        rows = evaluation["rows"]
        parts.append(f"## {extractor_title(evaluation['extractor'])}")
        parts.append(table(_COLUMNS, (_cells(row, rows) for row in rows)))
        unfinished = [row_name(r, rows) for r in rows if not r["svm_converged"]]
        if unfinished:
            parts.append(
                f"The SVM of {'; '.join(unfinished)} stopped before it converged."
            )
        if evaluation["means"]:
            parts += ["### Over several runs", _means(evaluation["means"])]
        if evaluation["differences"]:
            parts += ["### Differences", _differences(evaluation["differences"])]
        parts += ["### Other ways to decide", _variants(rows)]
        if "controls" in evaluation:
            parts += _controls(evaluation["controls"])
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _introduction(results: dict[str, Any]) -> str:
    store, protocol = results["store"], results["protocol"]
    size = protocol["resolution"]
    paragraphs = [
        "# GAN-train",
        f"An SVM trained on each row's patches classifies {store['test_images']} real "
        f"test images ({store['test_positive_images']} {store['positive']}, "
        f"{store['test_negative_images']} {store['negative']}) of "
        f"{store['test_patients']} patients by majority vote: "
        f"{_VOTERS[protocol['vote']]} vote, at {size} x {size} pixels; a tie counts as "
        f"{store['positive']}. Test images left out because no patch votes: "
        f"{store['excluded_images']}. Classifier: {svm_name(protocol)}.",
        "In parentheses: 95 % intervals, Wilson's for Sen and Spe (each image one "
        "trial), a bootstrap over patients for the other figures. They hold the "
        "generators fixed. Retention is HM / HM of real data.",
    ]
    if results["notes"]:
        paragraphs.append("\n".join(f"- {note}" for note in results["notes"]))
    return "\n\n".join(paragraphs)


def _cells(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> list[str]:
    figures = ("sensitivity", "specificity", "harmonic_mean", "auc", "retention")
    return [
        row_name(row, rows),
        f"{row['num_positive_patches']:,} + {row['num_negative_patches']:,}",
        *(figure(row, key) for key in figures),
        *(str(row[key]) for key in _COUNTS),
    ]


def _means(means: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            mean["name"],
            str(mean["num_runs"]),
            f"{mean['num_positive']} + {mean['num_negative']}",
            figure(mean, "harmonic_mean"),
            f"{mean['standard_deviation']:.3f}",
            f"{mean['lowest']:.3f} to {mean['highest']:.3f}",
        ]
        for mean in means
    ]
    columns = (
        "Training data", "runs", "n (pos. + neg.)", "mean HM", "deviation",
        "lowest to highest",
    )  # fmt: skip
    note = "The interval resamples patients and runs.\n\n"
    return note + table(columns, lines)


def _differences(differences: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            f"{entry['first']} - {entry['second']}",
            figure(entry, "harmonic_mean_difference"),
            figure(entry, "auc_difference"),
            discordant(entry),
            f"{entry['mcnemar_p']:.3g}",
        ]
        for entry in differences
    ]
    columns = ("Rows", "HM", "AUC", "patients only one gets right", "McNemar's p")
    return table(columns, lines)


def _variants(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            row_name(row, rows),
            _VOTERS[variant["voters"]],
            _RULES[variant["rule"]],
            variant["unit"],
            f"{variant['num_positive']} + {variant['num_negative']}",
            *(
                figure(variant, key)
                for key in ("sensitivity", "specificity", "harmonic_mean", "auc")
            ),
        ]
        for row in rows
        for variant in row["variants"]
    ]
    columns = (
        "Training data", "voters", "rule", "per", "n (pos. + neg.)",
        "Sen", "Spe", "HM", "AUC",
    )  # fmt: skip
    return table(columns, lines)


def _controls(controls: dict[str, Any]) -> list[str]:
    permuted = controls["permuted_labels"]
    verdict = "at" if permuted["is_at_chance"] else "NOT AT"
    auc = with_interval(permuted["auc"], permuted["auc_interval_99"])
    parts = [
        "### Controls",
        f"Permuted labels are {verdict} chance: mean AUC {auc}, a 99 % interval, over "
        f"{permuted['num_permutations']} permutations.",
        table(
            ("Real training patients (pos. + neg.)", "draws", "mean HM", "HM of each"),
            [
                [
                    f"{few['num_positive_patients']} + {few['num_negative_patients']}",
                    str(few["num_draws"]),
                    figure(few, "harmonic_mean"),
                    ", ".join(f"{value:.3f}" for value in few["harmonic_means"]),
                ]
                for few in controls["few_patients"]
            ],
        ),
    ]
    if controls["worth_in_patients"]:
        parts.append(
            "\n".join(f"- {_worth(entry)}" for entry in controls["worth_in_patients"])
        )
    mixed = controls["mixed"]
    if mixed:
        parts.append("Few real patients, filled up with generated patches:")
        parts.append(table(_COLUMNS, (_cells(row, mixed) for row in mixed)))
    if controls["gan_test"]:
        parts.append(
            "GAN-test: an SVM trained on real data classifies generated patches."
        )
        parts.append(_gan_test(controls["gan_test"]))
    return parts


def _worth(entry: dict[str, Any]) -> str:
    if entry["at_most"] is None:
        return f"{entry['name']} does no worse than all real patients."
    if entry["more_than"] == 0:
        return f"{entry['name']} does worse than {entry['at_most']} real patients."
    return (
        f"{entry['name']} does no worse than {entry['more_than']} real patients, and "
        f"worse than {entry['at_most']}."
    )


def _gan_test(entries: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            row_name(entry, entries),
            f"{entry['num_positive_patches']:,} + {entry['num_negative_patches']:,}",
            figure(entry, "sensitivity"),
            figure(entry, "specificity"),
            f"{entry['harmonic_mean']:.3f}",
        ]
        for entry in entries
    ]
    return table(("Samples", "patches (pos. + neg.)", "Sen", "Spe", "HM"), lines)
