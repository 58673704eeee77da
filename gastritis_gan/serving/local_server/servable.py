"""One version of a model in the local server."""

from __future__ import annotations

import dataclasses
import enum

from gastritis_gan.serving.verify import TfSession


class State(enum.IntEnum):
    """Where a version is in its life; the numbers are those of the gRPC API."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass
class Servable:
    """One version of a model."""

    model: str
    version: int
    state: State = State.START
    error: str = ""
    session: TfSession | None = None
