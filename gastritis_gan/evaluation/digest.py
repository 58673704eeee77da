"""Results in a few lines for a terminal: a short table and a sentence on it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tqdm.utils import disp_len

from gastritis_gan.evaluation.class_metrics import REAL
from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.evaluation.tables import (
    extractor_title,
    metric_cell,
    metric_number,
    rows_over_runs,
    with_interval,
)

WIDTH = 100  # columns
_GAP = 2
_SHORT_METRICS = {  # key: heading
    "frechet_distance": "Fréchet",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
}


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of aligned columns; the first gives way where it is too wide."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(map(disp_len, column)) for column in zip(*lines, strict=True)]
    widths[0] = max(8, min(widths[0], WIDTH - sum(widths[1:]) - _GAP * len(widths[1:])))
    texts = []
    for line in lines:
        if len(line[0]) > widths[0]:
            line[0] = line[0][: widths[0] - 1] + "…"
        cells = [
            cell + " " * (width - disp_len(cell))  # kanji are two columns wide
            for cell, width in zip(line, widths, strict=True)
        ]
        texts.append((" " * _GAP).join(cells).rstrip())
    return "\n".join(texts)


def gan_train_digest(results: Mapping[str, Any]) -> str:
    """Returns who was tested, Sen, Spe and HM of every row, and a conclusion.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    store = results["store"]
    parts = [
        filled(
            f"GAN-train on {store['test_images']} real test images "
            f"({store['test_positive_images']} {store['positive']}, "
            f"{store['test_negative_images']} {store['negative']}) of "
            f"{store['test_patients']} patients. Sen (sensitivity): share of the "
            f"{store['positive']} images that is found. Spe (specificity): share of "
            f"the {store['negative']} images that is cleared. HM: harmonic mean of "
            "both. In parentheses: 95 % intervals."
        )
    ]
    keys = ("sensitivity", "specificity", "harmonic_mean")
    for evaluation in results["extractors"]:
        rows = [
            [_with_runs(row), *(metric_cell(row, key) for key in keys)]
            for row in rows_over_runs(evaluation)
        ]
        title = extractor_title(evaluation["extractor"])
        parts.append(f"{title}\n{text_table(('trained on', 'Sen', 'Spe', 'HM'), rows)}")
    conclusion = filled(gan_train_conclusion(results))
    return "\n\n".join([*parts, *_notes(results), conclusion])


def gan_train_conclusion(results: Mapping[str, Any]) -> str:
    """Returns what the best samples are worth, in the features that serve real data.

    Args:
        results: As in `results.json` (docs/results-format.md).
    """
    real_rows = [_row(e, REAL_DATA_ROW) for e in results["extractors"]]
    place = max(range(len(real_rows)), key=lambda i: real_rows[i]["harmonic_mean"])
    best, real = results["extractors"][place], real_rows[place]
    name = best["extractor"]["name"]
    generated = [r for r in rows_over_runs(best) if r["name"] != REAL_DATA_ROW]
    doubt = _doubt(results)
    if not generated:
        return (
            f"Real data reaches HM {real['harmonic_mean']:.3f} with {name} features; "
            f"no generators were measured.{doubt}"
        )
    row = max(generated, key=lambda r: r["harmonic_mean"])
    pair = {row["name"], REAL_DATA_ROW}
    (entry,) = (d for d in best["differences"] if {d["first"], d["second"]} == pair)
    sign = 1 if entry["first"] == row["name"] else -1
    difference = sign * entry["harmonic_mean_difference"]
    low, high = sorted(sign * end for end in entry["harmonic_mean_difference_interval"])
    if low <= 0 <= high:
        found = (
            f"no difference is shown on {results['store']['test_patients']} patients"
        )
    else:
        found = f"{'better' if low > 0 else 'worse'} than real data"
    return (
        f"Conclusion: with {name} features, which serve real data best, the best "
        f"samples ({row['name']}) reach HM {row['harmonic_mean']:.3f}, real data "
        f"{real['harmonic_mean']:.3f}; the difference is "
        f"{with_interval(difference, (low, high))}: {found}.{doubt}"
    )


def _doubt(results: Mapping[str, Any]) -> str:
    """Returns a warning where a classifier recognises labels that mean nothing."""
    names = [
        evaluation["extractor"]["name"]
        for evaluation in results["extractors"]
        if "controls" in evaluation
        and not evaluation["controls"]["permuted_labels"]["is_at_chance"]
    ]
    if not names:
        return ""
    return (
        f" But with permuted labels {' and '.join(names)} features are not at chance: "
        "look for a leak before you trust their rows."
    )


def image_metrics_digest(results: Mapping[str, Any]) -> str:
    """Returns the metrics that most ask for, beside the floor, and a conclusion.

    Args:
        results: As in `metrics.json` (docs/results-format.md).
    """
    parts = [
        filled(
            f"Image metrics of patches of {results['resolution']} pixels. The row of "
            "real data compares training patients with each other: the floor of "
            "distances, the ceiling of precision, recall and coverage. SWD: sliced "
            "Wasserstein distance, x 1,000."
        )
    ]
    parts += _notes(results)
    conclusions = []
    for target, about in results["classes"].items():
        swd = results["pixels"][target]["swd"]
        for evaluation in results["extractors"]:
            metrics = evaluation["metrics"][target]
            names = sorted(metrics, key=lambda name: name == REAL)
            rows = [
                [
                    name,
                    *(_mean(metrics[name][key]) for key in _SHORT_METRICS),
                    _mean(swd[name]["swd_mean"]),
                ]
                for name in names
            ]
            title = extractor_title(evaluation["extractor"])
            table = text_table(("patches", *_SHORT_METRICS.values(), "SWD"), rows)
            parts.append(f"{about['class_name']}, {title}\n{table}")
        if results["extractors"]:
            conclusions.append(_nearest(about, target, results["extractors"][0]))
    if conclusions:
        name = results["extractors"][0]["extractor"]["name"]
        text = f"Conclusion, by Fréchet distance in {name} features: "
        parts.append(filled(f"{text}{'; '.join(conclusions)}."))
    return "\n\n".join(parts)


def _nearest(
    about: Mapping[str, Any], target: str, evaluation: Mapping[str, Any]
) -> str:
    distances = {
        name: metrics["frechet_distance"]["value"]
        for name, metrics in evaluation["metrics"][target].items()
    }
    floor = distances.pop(REAL)
    nearest = min(distances, key=lambda name: distances[name])
    times = f", {distances[nearest] / floor:.1f} times the floor" if floor > 0 else ""
    return f"the {about['class_name']} samples of {nearest} are nearest{times}"


def comparison_digest(results: Mapping[str, Any]) -> str:
    """Returns both sides' HM, their difference, what only one has, and a conclusion.

    Args:
        results: As in `comparison.json` (docs/results-format.md).
    """
    first, second = results["names"]
    images = results["images"]
    count = images["positive"] + images["negative"]
    parts = [
        f"A: {first}\nB: {second}",
        filled(
            f"HM: harmonic mean of sensitivity and specificity, on {count} test images "
            f"of {images['patients']} patients. A - B with its 95 % interval on the "
            "same resamples of the patients; p: McNemar's test by patient."
        ),
    ]
    differing = [
        f"{key} ({one} and {other})"
        for key, (one, other) in results["differing_protocol"].items()
    ]
    if differing:
        parts.append(filled(f"They differ in {', '.join(differing)}."))
    shown = []
    for entry in results["extractors"]:
        name = entry["extractor"]["name"]
        rows = []
        for row in entry["rows"]:
            hm = "harmonic_mean_difference"
            low, high = row[f"{hm}_interval"]
            if low > 0 or high < 0:
                side = "A" if low > 0 else "B"
                shown.append(f"{row['name']} with {name} features is better in {side}")
            rows.append(
                [
                    row["name"],
                    *(f"{value:.3f}" for value in row["harmonic_means"]),
                    with_interval(row[hm], (low, high)),
                    f"{row['mcnemar_p']:.3g}",
                ]
            )
        table = text_table(("trained on", "HM A", "HM B", "A - B", "p"), rows)
        title = extractor_title(entry["extractor"])
        parts.append(f"{title}\n{table if rows else 'No row is in both.'}")
    parts += [
        filled(f"Only in {side}: {'; '.join(only)}.")
        for side, only in zip("AB", results["only_in"], strict=True)
        if only
    ]
    conclusion = (
        f"{'; '.join(shown)}."
        if shown
        else "no row is shown to differ; every interval contains 0."
    )
    return "\n\n".join([*parts, filled(f"Conclusion: {conclusion}")])


def _notes(results: Mapping[str, Any]) -> list[str]:
    return ["\n".join(map(filled, results["notes"]))] if results["notes"] else []


def _row(evaluation: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    (row,) = (row for row in rows_over_runs(evaluation) if row["name"] == name)
    return row


def _with_runs(row: Mapping[str, Any]) -> str:
    runs = row["num_runs"]
    return f"{row['name']} ({runs} runs)" if runs > 1 else str(row["name"])


def _mean(value: float | Mapping[str, float]) -> str:
    return metric_number(value if isinstance(value, float) else value["value"])


def filled(text: str) -> str:
    """Breaks a paragraph into lines of a terminal."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
