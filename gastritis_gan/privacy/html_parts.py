"""Pieces of a page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image


def heading(level: int, text: str) -> str:
    """Returns a heading."""
    return f"<h{level}>{html.escape(text)}</h{level}>"


def paragraph(text: str, css_class: str = "") -> str:
    """Returns a paragraph of plain text."""
    attribute = f' class="{css_class}"' if css_class else ""
    return f"<p{attribute}>{html.escape(text)}</p>"


def bullets(items: Sequence[str]) -> str:
    """Returns a list of plain texts."""
    return "<ul>" + "".join(f"<li>{html.escape(i)}</li>" for i in items) + "</ul>"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table of plain texts."""

    def line(cells: Sequence[Any], tag: str) -> str:
        inner = "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in cells)
        return f"<tr>{inner}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    return f"<table>{line(header, 'th')}\n{body}</table>"


def picture(image: Image.Image, description: str) -> str:
    """Returns a picture that is part of the page."""
    stream = io.BytesIO()
    image.save(stream, "png")
    encoded = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<img alt="{html.escape(description)}" src="data:image/png;base64,{encoded}">'
    )


def interval(facts: dict[str, Any], key: str = "value") -> str:
    """Returns a figure with its interval."""
    return f"{facts[key]:.3f} ({facts['low']:.3f} to {facts['high']:.3f})"
