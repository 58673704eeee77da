"""Progress bars: live on a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

_SECONDS_BETWEEN_LOG_LINES = 10.0
_SECONDS_BETWEEN_REDRAWS = 0.2

# As tqdm's own, but never seconds per unit, and without an empty bar in a log.
_COUNTS = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"
_LIVE = "{l_bar}{bar}| " + _COUNTS
_LOG = "{desc}: {percentage:.0f}%, " + _COUNTS


class _Lines:
    """Standard error without what moves a cursor: each state of a bar is a line."""

    def __init__(self) -> None:
        self._count = ""  # in the last line; a bar that is closed is drawn again

    def write(self, text: str) -> None:
        line = text.replace("\x1b[A", "").strip()
        count = line.partition(" [")[0]
        if line and count != self._count:
            self._count = count
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress_bar(
    *,
    total: int,
    description: str,
    unit: str,
    initial: int = 0,
    visible: bool = True,
) -> Any:
    """Returns a tqdm bar on standard error; use it as a context manager.

    A log has nothing of what takes less than ten seconds.

    Args:
        total: Number of units when complete.
        description: What is being done; never a patient's name, id or path.
        unit: Name of one unit, as in "image".
        initial: Units that an earlier, interrupted run has done already.
        visible: False in all but one of several processes that do the same.
    """
    is_live = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        disable=not visible,
        desc=description,
        unit=f" {unit}",
        bar_format=_LIVE if is_live else _LOG,
        delay=0 if is_live else _SECONDS_BETWEEN_LOG_LINES,
        mininterval=_SECONDS_BETWEEN_REDRAWS if is_live else _SECONDS_BETWEEN_LOG_LINES,
        dynamic_ncols=is_live,
        file=sys.stderr if is_live else _Lines(),
    )
