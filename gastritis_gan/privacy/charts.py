"""Two small charts as SVG text: exposures of patients, and an ROC curve."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.exposure import Exposure

_WIDTH = 640
_ROW = 34
_TOP = 18  # for the threshold's value
_MARGIN = 90
_ROC_SIDE = 200
_COLOURS = {"training": "#1b5e9c", "held-out": "#888888", "exposed": "#bb0000"}


def exposure_chart(exposure: Exposure, is_training: NDArray[np.bool_]) -> str:
    """Draws a row of dots per group, and the threshold as a line with its value."""
    values = exposure.exposure
    edges = [values.min(), values.max()]
    if math.isfinite(exposure.threshold):
        edges.append(exposure.threshold)
    low, high = min(edges), max(edges)
    scale = (_WIDTH - _MARGIN - 20) / max(high - low, 1e-9)

    def x(value: float) -> float:
        return _MARGIN + float((value - low) * scale)

    parts = []
    for row, (name, group) in enumerate(
        (("training", is_training), ("held-out", ~is_training))
    ):
        y = _TOP + _ROW * row + 20
        parts.append(f'<text x="0" y="{y + 5}" font-size="13">{name}</text>')
        for index in np.flatnonzero(group):
            colour = _COLOURS["exposed" if exposure.exposed[index] else name]
            parts.append(
                f'<circle cx="{x(values[index]):.1f}" cy="{y}" r="5" fill="{colour}" '
                'fill-opacity="0.6"/>'
            )
    bottom = _TOP + 2 * _ROW + 4
    if math.isfinite(exposure.threshold):
        at = f"{x(exposure.threshold):.1f}"
        parts += [
            f'<line x1="{at}" y1="{_TOP}" x2="{at}" y2="{bottom}" stroke="black" '
            'stroke-dasharray="4 3"/>',
            f'<text x="{at}" y="12" font-size="12" text-anchor="middle">'
            f"{exposure.threshold:.1f}</text>",
        ]
    parts += [
        f'<text x="{x(v):.1f}" y="{bottom + 14}" font-size="12" text-anchor="middle">'
        f"{v:.1f}</text>"
        for v in (low, high)
    ]
    return _svg(_WIDTH, bottom + 20, parts)


def roc_chart(training: NDArray[np.float64], held_out: NDArray[np.float64]) -> str:
    """Draws true positives upwards against false positives, for every threshold."""
    thresholds = np.unique(np.concatenate([training, held_out]))[::-1]
    false = [0.0, *((held_out >= t).mean() for t in thresholds)]
    true = [0.0, *((training >= t).mean() for t in thresholds)]
    points = " ".join(
        f"{10 + f * _ROC_SIDE:.1f},{10 + (1 - t) * _ROC_SIDE:.1f}"
        for f, t in zip(false, true, strict=True)
    )
    end = 10 + _ROC_SIDE
    parts = [
        f'<rect x="10" y="10" width="{_ROC_SIDE}" height="{_ROC_SIDE}" fill="none" '
        'stroke="#ccc"/>',
        f'<line x1="10" y1="{end}" x2="{end}" y2="10" stroke="#ccc"/>',
        f'<polyline points="{points}" fill="none" stroke="{_COLOURS["training"]}" '
        'stroke-width="2"/>',
        f'<text x="10" y="{end + 15}" font-size="12">'
        "held-out patients accused wrongly, 0 to 1</text>",
        f'<text x="{end + 10}" y="20" font-size="12">'
        "training patients recognised, 0 to 1</text>",
    ]
    return _svg(2 * _ROC_SIDE + 40, _ROC_SIDE + 30, parts)


def _svg(width: int, height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        + "".join(parts)
        + "</svg>"
    )
