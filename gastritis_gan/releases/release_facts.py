"""What a release says about itself beside its images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class ReleaseFacts:
    """Statements of whoever publishes, and findings of others.

    Attributes:
        title: Of the data set.
        licence: Under which it is given; empty if none was stated.
        command: That makes the release again.
        audit: Verdict, reasons and SHA-256 of the privacy audit, if there is one.
        accepted_risk: Why it is published without a passing audit, if it is.
        table: Markdown of what the samples were measured to be good for, if measured.
    """

    title: str
    licence: str
    command: str
    audit: Mapping[str, Any] | None = None
    accepted_risk: str | None = None
    table: str | None = None
