"""Progress bars: live on a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LOG_LINES = 10.0
_SECONDS_BETWEEN_REDRAWS = 0.2


def progress_bar(
    *,
    total: int,
    description: str,
    unit: str,
    initial: int = 0,
    visible: bool = True,
) -> Any:
    """Returns a tqdm bar on standard error; use it as a context manager.

    Args:
        total: Number of units when complete.
        description: What is being done; never a patient's name, id or path.
        unit: Name of one unit, as in "image".
        initial: Units that an earlier, interrupted run has done already.
        visible: False in all but one of several processes that do the same.
    """
    live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        disable=not visible,
        desc=description,
        unit=f" {unit}",
        mininterval=_SECONDS_BETWEEN_REDRAWS if live else _SECONDS_BETWEEN_LOG_LINES,
        dynamic_ncols=live,
        file=sys.stderr,
    )
