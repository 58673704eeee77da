"""What pages are made of: a template, and pictures as data that stands in it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from gastritis_gan.evaluation.plots import PLOT_STYLE, svg_uri
from gastritis_gan.store.store import Store

_STYLE = {
    **PLOT_STYLE,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_LINES = (  # Okabe and Ito's colours, and what tells the curves apart without them
    ("#0072b2", "-", "o"),
    ("#d55e00", "--", "s"),
    ("#009e73", ":", "^"),
)
_MOST_SHEET_PX = 1100
_FEW_TICKS = 50
_PANELS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    # title: label of a curve: the metrics it may come from, the first that was measured
    "losses": {"discriminator": ("d_loss",), "generator": ("g_loss",)},
    "scores of the discriminator": {
        "real training patches": ("training_scores", "real_scores"),
        "samples": ("sample_scores", "fake_scores"),
        "real validation patches": ("validation_scores",),
    },
    "distance from real patches": {
        "real against real": ("quality_floor",),
        "samples": ("quality",),
        "the other class": ("quality_other_class",),
    },
}


def page_template(name: str) -> Any:
    """Returns a template of this room; what it is given is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["rounded"] = lambda value: (
        "-" if value is None else f"{value:.4g}"
    )
    environment.filters["code"] = _with_code
    return environment.get_template(name)


def _with_code(text: str) -> markupsafe.Markup:
    """Escapes a sentence and marks what stands between backticks."""
    escaped = str(markupsafe.escape(text))
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped))


def spread_patches(
    store: Store, name: str, split: str, number: int, *, stream: np.random.Generator
) -> NDArray[np.int64]:
    """Draws patches of a set, from as many patients as possible.

    Args:
        store: Where they are.
        name: As of `Store.patch_set`.
        split: As of `Store.patch_set`.
        number: How many; fewer where the set has fewer.
        stream: What draws them.

    Returns:
        Shape (n,): rows of the patch table.
    """
    patches = stream.permutation(store.patch_set(name, split))
    seen: dict[str, int] = {}
    turns = []
    for image in store.patch_image[patches]:
        patient = store.images[image].patient
        turns.append(seen.setdefault(patient, 0))
        seen[patient] += 1
    chosen: NDArray[np.int64] = patches[np.argsort(turns, kind="stable")[:number]]
    return chosen


def shrunk_sheet(picture: Image.Image) -> Image.Image:
    """Averages a wide sheet down by a whole factor, so that it fits a page."""
    factor = -(-picture.width // _MOST_SHEET_PX)
    return picture if factor == 1 else picture.reduce(factor)


def draw_curves(
    metrics: Sequence[Mapping[str, Any]],
) -> tuple[str, list[dict[str, Any]]]:
    """Draws losses, scores and quality over the real images that were shown.

    Args:
        metrics: Of a run, a mapping per tick; at least one.

    Returns:
        An SVG picture, and the last value of every curve: `panel`, `curve`, `value`.
    """
    thousands = [tick["num_images"] / 1000 for tick in metrics]
    last_values = []
    with rc_context(_STYLE):
        figure = Figure(figsize=(10, 2.9), layout="constrained")
        for axes, (title, curves) in zip(
            figure.subplots(1, len(_PANELS)), _PANELS.items(), strict=True
        ):
            for (colour, style, marker), (label, names) in zip(
                _LINES, curves.items(), strict=False
            ):
                name = next((n for n in names if n in metrics[-1]), None)
                if name is None:
                    continue
                values = [tick.get(name) for tick in metrics]
                heights = [np.nan if v is None else v for v in values]
                axes.plot(
                    thousands,
                    heights,
                    style,
                    # no line leads to a value between two that were not measured
                    marker=marker if len(heights) < _FEW_TICKS else None,
                    markersize=3,
                    color=colour,
                    label=label,
                )
                last_values.append(
                    {"panel": title, "curve": label, "value": values[-1]}
                )
            _mark_stages(axes, metrics)
            axes.set_title(title, fontsize=9)
            axes.set_xlabel("thousand real images")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=7, framealpha=0.9)
            else:
                axes.text(
                    0.5, 0.5, "not measured", ha="center", transform=axes.transAxes
                )
        return svg_uri(figure), last_values


def _mark_stages(axes: Any, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Draws a line where the resolution grew, with the new one."""
    for before, tick in itertools.pairwise(metrics):
        if tick["resolution"] != before["resolution"]:
            at = before["num_images"] / 1000
            axes.axvline(at, color="#bbbbbb", linewidth=0.8, zorder=0)
            axes.annotate(
                f"{tick['resolution']} px",
                (at, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, -1),
                textcoords="offset points",
                fontsize=6,
                va="top",
                color="#666666",
            )
