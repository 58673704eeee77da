"""Confusion matrices, ROC curves and votes as PNG and SVG."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager, rc_context, rcParams
from matplotlib.figure import Figure
from PIL import Image

from gastritis_gan.evaluation.tables import extractor_title, row_name
from gastritis_gan.images import drawable, find_font
from gastritis_gan.rng import stream
from gastritis_gan.stats import roc

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444")
_STYLES = ("-", "--", "-.", ":")  # for who sees no colours; no divisor of the former
PLOT_STYLE = {
    "svg.hashsalt": "gastritis-gan",  # the same ids in every file
    "svg.fonttype": "none",  # text stays text
    "font.size": 9,
}


def write_plots(results: dict[str, Any], folder: Path) -> None:
    """Writes `confusion_NAME`, `roc_NAME` and `votes_NAME` for each extractor.

    Args:
        results: As in `results.json` (docs/results-format.md).
        folder: Made for them.
    """
    folder.mkdir()
    drawings: dict[str, Callable[[dict[str, Any], dict[str, Any]], Figure]] = {
        "confusion": _draw_confusion,
        "roc": _draw_roc,
        "votes": _draw_votes,
    }
    with rc_context(PLOT_STYLE), rc_context(_fonts(_class_names(results))):
        for evaluation in results["extractors"]:
            for kind, draw in drawings.items():
                figure = draw(results, evaluation)
                title = extractor_title(evaluation["extractor"])
                figure.suptitle(f"{title}\n{_tested(results)}", fontsize=9)
                stem = folder / f"{kind}_{evaluation['extractor']['name']}"
                figure.savefig(stem.with_suffix(".png"), dpi=150)
                # Without a date, equal results are equal files.
                figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})


def _draw_confusion(results: dict[str, Any], evaluation: dict[str, Any]) -> Figure:
    rows, names = evaluation["rows"], _class_names(results)
    num_columns = min(4, len(rows))
    num_lines = -(-len(rows) // num_columns)
    figure = Figure(
        figsize=(2.6 * num_columns + 0.6, 2.7 * num_lines + 0.4), layout="constrained"
    )
    axes = figure.subplots(num_lines, num_columns, squeeze=False).ravel()
    for axis in axes[len(rows) :]:
        axis.set_axis_off()
    for axis, row in zip(axes, rows, strict=False):
        counts = np.array(
            [
                [row["true_positives"], row["false_negatives"]],
                [row["false_positives"], row["true_negatives"]],
            ]
        )
        rates = counts / counts.sum(axis=1, keepdims=True)
        axis.imshow(rates, cmap="Blues", vmin=0, vmax=1)
        for line in range(2):
            for column in range(2):
                colour = "white" if rates[line, column] > 0.6 else "black"
                axis.text(
                    column,
                    line,
                    f"{counts[line, column]}\n{rates[line, column]:.0%}",
                    ha="center",
                    va="center",
                    color=colour,
                )
        axis.set_title(_wrapped(row_name(row, rows)), fontsize=8)
        axis.set_xticks([0, 1], names)
        axis.set_yticks([0, 1], names, rotation=90, va="center")
        axis.set_xlabel("decided")
        axis.set_ylabel(f"truth (n = {counts.sum()} images)")
    return figure


def _draw_roc(results: dict[str, Any], evaluation: dict[str, Any]) -> Figure:
    rows = evaluation["rows"]
    figure = Figure(figsize=(5.6, 5.8 + 0.17 * len(rows)), layout="constrained")
    axis = figure.subplots()
    labels, totals = _labels(results), _totals(results)
    axis.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
    for number, row in enumerate(rows):
        scores = np.array(row["positive_votes"]) / totals
        false_rate, true_rate = roc(scores, labels)
        low, high = row["auc_interval"]
        colour = _COLOURS[number % len(_COLOURS)]
        axis.plot(
            false_rate,
            true_rate,
            linestyle=_STYLES[number % len(_STYLES)],
            color=colour,
            label=f"{row_name(row, rows)}: {row['auc']:.3f} ({low:.3f} to {high:.3f})",
        )
        axis.plot(
            1 - row["specificity"], row["sensitivity"], "o", color=colour, markersize=5
        )
    positive, negative = _class_names(results)
    axis.set_xlabel(f"1 - specificity: {negative} images called {positive}")
    axis.set_ylabel(f"sensitivity: {positive} images found")
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    axis.set_aspect("equal")
    figure.legend(
        loc="outside lower center",
        fontsize=7,
        frameon=False,
        borderpad=1.5,  # its title would touch the label of the axis
        title="trained on: AUC (95 % interval); dot: majority vote",
        title_fontsize=7,
    )
    return figure


def _draw_votes(results: dict[str, Any], evaluation: dict[str, Any]) -> Figure:
    rows, labels = evaluation["rows"], _labels(results)
    figure = Figure(figsize=(6.4, 1.1 * len(rows) + 1.0), layout="constrained")
    axis = figure.subplots()
    generator = stream(0, "evaluation.jitter")
    for number, row in enumerate(rows):
        shares = np.array(row["positive_votes"]) / _totals(results)
        for positive, offset, colour, marker in (
            (True, 0.2, "#d55e00", "^"),
            (False, -0.2, "#0072b2", "o"),
        ):
            chosen = labels == positive
            height = -number + offset + generator.uniform(-0.13, 0.13, chosen.sum())
            axis.plot(
                shares[chosen],
                height,
                marker,
                color=colour,
                markersize=3.5,
                alpha=0.6,
                markeredgewidth=0,
                label=_class_names(results)[0 if positive else 1]
                if not number
                else None,
            )
    axis.axvline(0.5, color="#888888", linewidth=0.8)
    axis.set_yticks(
        [-number for number in range(len(rows))],
        [_wrapped(row_name(row, rows)) for row in rows],
    )
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(0.6 - len(rows), 0.6)
    axis.set_xlabel(
        "share of an image's patches that vote positive; a mark is an image"
    )
    figure.legend(loc="outside lower right", ncols=2, fontsize=8)
    return figure


def _tested(results: dict[str, Any]) -> str:
    """Returns what is classified, and on whom."""
    store, (positive, negative) = results["store"], _class_names(results)
    return (
        f"{positive} or {negative}? {store['test_images']} real test images "
        f"({store['test_positive_images']} + {store['test_negative_images']}) of "
        f"{store['test_patients']} patients"
    )


def _labels(results: dict[str, Any]) -> np.ndarray:
    return np.array([image["label"] == "positive" for image in results["images"]])


def _totals(results: dict[str, Any]) -> np.ndarray:
    return np.array([image["patches"] for image in results["images"]])


def _class_names(results: dict[str, Any]) -> Sequence[str]:
    """Returns what plots call the classes."""
    kinds = ("positive", "negative")
    return [drawable(results["store"][kind], kind) for kind in kinds]


def _fonts(names: Sequence[str]) -> dict[str, list[str]]:
    """Returns a setting with what Matplotlib's own font lacks of the letters."""
    families = list(rcParams["font.family"])
    for name in names:
        path = getattr(find_font(name), "path", None)
        if isinstance(path, str):  # not Pillow's own font, which is within the other
            font_manager.fontManager.addfont(path)
            families.append(font_manager.FontProperties(fname=path).get_name())
    return {"font.family": families}


def _wrapped(name: str) -> str:
    return name.replace(", ", ",\n")


def svg_uri(figure: Figure) -> str:
    """Returns a figure as the address of an image on a page."""
    content = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(content, format="svg", metadata=nothing)
    return _data_uri("svg+xml", content.getvalue())


def png_uri(picture: Image.Image) -> str:
    """Returns a picture as the address of an image on a page."""
    content = io.BytesIO()
    picture.save(content, "png", optimize=True)
    return _data_uri("png", content.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
