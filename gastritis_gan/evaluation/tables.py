"""Results of GAN-train and image metrics as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gastritis_gan.evaluation.class_metrics import REAL

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
_NAMES = {
    "frechet_distance": "Fréchet distance",
    "kernel_distance": "kernel distance",
    "ms_ssim": "MS-SSIM",
    "mean_pairwise_distance": "mean pairwise distance (grey levels)",
    "swd_mean": "SWD mean (x 1,000)",
}


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """Returns `0.777 (0.712-0.838)`, or a dash for a metric that is undefined."""
    if value is None or interval is None:
        return "-"
    low, high = interval
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def metric_cell(entry: dict[str, Any], key: str) -> str:
    """Returns a metric of an entry with its interval."""
    return with_interval(entry[key], entry[f"{key}_interval"])


def row_name(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Returns a row's name, with its seeds where the row has several runs."""
    if sum(other["name"] == row["name"] for other in rows) == 1:
        return str(row["name"])
    seeds = []
    if row["generator_seed"] is not None:
        seeds.append(f"generator seed {row['generator_seed']}")
    seeds.append(f"sample seed {row['sample_seed']}")
    return f"{row['name']}, {', '.join(seeds)}"


def rows_over_runs(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns an entry per row's name: of its only run, or with means over its runs.

    Args:
        evaluation: An entry of `extractors` in `results.json`.

    Returns:
        What a row has; also `num_runs`, and for a row of several runs the means.
    """
    rows = {row["name"]: row for row in reversed(evaluation["rows"])}
    means = {mean["name"]: mean for mean in evaluation["means"]}
    return [
        {"num_runs": 1, **row, **means.get(name, {})}
        for name, row in reversed(rows.items())
    ]


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
    return f"linear SVM (C = {protocol['svm_c']:g}, standardised features)"


def markdown_tables(results: dict[str, Any]) -> str:
    """Returns the tables of each extractor, with what one must know to read them.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    parts = [_introduction(results)]
    for evaluation in results["extractors"]:
        rows = evaluation["rows"]
        parts.append(f"## {extractor_title(evaluation['extractor'])}")
        parts.append(markdown_table(_COLUMNS, (_cells(row, rows) for row in rows)))
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


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def summary_table(results: dict[str, Any]) -> str:
    """Returns the paper's Tables 1-3 as one: extractors and rows, Sen, Spe and HM.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    columns = ("Features", "Training data", "runs", "Sen", "Spe", "HM", "retention")
    keys = ("sensitivity", "specificity", "harmonic_mean", "retention")
    lines = [
        [
            extractor_title(evaluation["extractor"]),
            row["name"],
            str(row["num_runs"]),
            *(metric_cell(row, key) for key in keys),
        ]
        for evaluation in results["extractors"]
        for row in rows_over_runs(evaluation)
    ]
    note = (
        "Sen, Spe and HM are means over the runs of a row, and retention is mean HM / "
        "mean HM of real data. In parentheses: 95 % intervals, which resample patients "
        "and runs; those of the Sen and Spe of a single run are Wilson's."
    )
    return f"{markdown_table(columns, lines)}\n\n{note}\n"


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
        "trial), a bootstrap over patients for the other metrics. They hold the "
        "generators fixed. Retention is HM / HM of real data.",
    ]
    if results["notes"]:
        paragraphs.append("\n".join(f"- {note}" for note in results["notes"]))
    return "\n\n".join(paragraphs)


def _cells(row: dict[str, Any], rows: Sequence[dict[str, Any]]) -> list[str]:
    keys = ("sensitivity", "specificity", "harmonic_mean", "auc", "retention")
    return [
        row_name(row, rows),
        f"{row['num_positive_patches']:,} + {row['num_negative_patches']:,}",
        *(metric_cell(row, key) for key in keys),
        *(str(row[key]) for key in _COUNTS),
    ]


def _means(means: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            mean["name"],
            str(mean["num_runs"]),
            f"{mean['num_positive']} + {mean['num_negative']}",
            *(
                metric_cell(mean, key)
                for key in ("sensitivity", "specificity", "harmonic_mean", "retention")
            ),
            f"{mean['standard_deviation']:.3f}",
            f"{mean['lowest']:.3f} to {mean['highest']:.3f}",
        ]
        for mean in means
    ]
    columns = (
        "Training data", "runs", "n (pos. + neg.)", "mean Sen", "mean Spe", "mean HM",
        "retention", "standard deviation of HM", "lowest to highest",
    )  # fmt: skip
    note = "The intervals resample patients and runs.\n\n"
    return note + markdown_table(columns, lines)


def _differences(differences: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            f"{entry['first']} - {entry['second']}",
            *_difference_cells(entry),
        ]
        for entry in differences
    ]
    columns = ("Rows", "HM", "AUC", "patients only one gets right", "McNemar's p")
    return markdown_table(columns, lines)


def _difference_cells(entry: dict[str, Any]) -> list[str]:
    only_first, only_second = entry["only_first_right"], entry["only_second_right"]
    return [
        metric_cell(entry, "harmonic_mean_difference"),
        metric_cell(entry, "auc_difference"),
        f"{only_first} : {only_second} of {entry['num_patients']}",
        f"{entry['mcnemar_p']:.3g}",
    ]


def _variants(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        [
            row_name(row, rows),
            _VOTERS[variant["voters"]],
            _RULES[variant["rule"]],
            variant["unit"],
            f"{variant['num_positive']} + {variant['num_negative']}",
            *(
                metric_cell(variant, key)
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
    return markdown_table(columns, lines)


def _controls(controls: dict[str, Any]) -> list[str]:
    permuted = controls["permuted_labels"]
    verdict = "at" if permuted["is_at_chance"] else "NOT AT"
    auc = with_interval(permuted["auc"], permuted["auc_interval_99"])
    parts = [
        "### Controls",
        f"Permuted labels are {verdict} chance: mean AUC {auc}, a 99 % interval, over "
        f"{permuted['num_permutations']} permutations.",
        markdown_table(
            ("Real training patients (pos. + neg.)", "draws", "mean HM", "HM of each"),
            [
                [
                    f"{few['num_positive_patients']} + {few['num_negative_patients']}",
                    str(few["num_draws"]),
                    metric_cell(few, "harmonic_mean"),
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
        parts.append(markdown_table(_COLUMNS, (_cells(row, mixed) for row in mixed)))
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
            metric_cell(entry, "sensitivity"),
            metric_cell(entry, "specificity"),
            f"{entry['harmonic_mean']:.3f}",
        ]
        for entry in entries
    ]
    return markdown_table(
        ("Samples", "patches (pos. + neg.)", "Sen", "Spe", "HM"), lines
    )


def markdown_metrics(results: dict[str, Any]) -> str:
    """Returns a table per class and kind of metric.

    Args:
        results: As in `metrics.json` (docs/results-format.md).
    """
    parts = [
        "# Image metrics",
        f"Patches of {results['resolution']} x {results['resolution']} pixels. "
        "Reference: one half of the training patients; the row of real data is the "
        "other half: the floor, or, for precision to coverage, the ceiling. "
        "Mean, in parentheses lowest and highest, over both halves of three halvings "
        "(SWD: of one). "
        "Neighbours are always of different patients. A distance depends on the number "
        "of patches: compare it only at an equal one, with the floor beside it.",
    ]
    parts += [f"- {note}" for note in results["notes"]]
    for target, about in results["classes"].items():
        parts += [
            f"## {about['class_name']}",
            f"{about['num_patches_per_set']:,} patches per set, real ones of half of "
            f"{about['num_real_patients']} patients; "
            f"{about['num_images_for_pixel_metrics']:,} for the metrics of pixels.",
            "### Pixels",
            _table(results["pixels"][target]["swd"]),
            _table(results["pixels"][target]["diversity"]),
        ]
        for entry in results["extractors"]:
            parts.append(f"### {extractor_title(entry['extractor'])}")
            parts.append(_table(entry["metrics"][target]))
    return "\n\n".join(parts) + "\n"


def markdown_comparison(results: dict[str, Any]) -> str:
    """Returns a table per extractor of the rows of one result minus another's.

    Args:
        results: As in `comparison.json` (docs/results-format.md).
    """
    images = results["images"]
    parts = [
        "# First minus second",
        "First: {}. Second: {}.".format(*results["names"]),
        f"{images['positive'] + images['negative']} test images "
        f"({images['positive']} positive, {images['negative']} negative) of "
        f"{images['patients']} patients. In parentheses: 95 % intervals, a "
        "bootstrap over patients.",
    ]
    differing = [
        f"`{key}` ({first} and {second})"
        for key, (first, second) in results["differing_protocol"].items()
    ]
    if differing:
        parts.append(f"They differ in {', '.join(differing)}.")
    columns = (
        "Training data", "runs", "HM first", "HM second", "difference in HM",
        "difference in AUC", "patients only one gets right", "McNemar's p",
    )  # fmt: skip
    for entry in results["extractors"]:
        lines = [
            [
                row["name"],
                "{}, {}".format(*row["num_runs"]),
                *(f"{value:.3f}" for value in row["harmonic_means"]),
                *_difference_cells(row),
            ]
            for row in entry["rows"]
        ]
        parts.append(f"## {extractor_title(entry['extractor'])}")
        parts.append(markdown_table(columns, lines) if lines else "No row is in both.")
    parts += [
        f"Only in the {side}: {'; '.join(only)}."
        for side, only in zip(("first", "second"), results["only_in"], strict=True)
        if only
    ]
    return "\n\n".join(parts) + "\n"


def _table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    metrics = list(summary[REAL])
    return markdown_table(
        ["Patches", *(metric_name(metric) for metric in metrics)],
        [
            [name, *(metric_number(values[metric]) for metric in metrics)]
            for name, values in sorted(
                summary.items(), key=lambda item: item[0] == REAL
            )
        ],
    )


def metric_name(metric: str) -> str:
    """Returns what a table calls an image metric."""
    if metric in _NAMES:
        return _NAMES[metric]
    if metric.startswith("swd_"):
        return f"SWD {metric.removeprefix('swd_')} px"
    return metric


def metric_number(value: float | Mapping[str, float]) -> str:
    """Returns an image metric, with its lowest and highest value if it has several."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value['value']:.4g} ({value['lowest']:.4g} to {value['highest']:.4g})"
