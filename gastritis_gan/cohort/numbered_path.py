"""A file name that may end in the number of a part: `image.dcm#3`."""

from __future__ import annotations

import re
from pathlib import Path


def split_number(path: Path) -> tuple[Path, int | None]:
    """Separates a path from the number of a part within the file.

    Args:
        path: A path as the cohort names it.

    Returns:
        The file, and the number after its last `#`; None without one, or where a file
        of that whole name exists.
    """
    match = re.fullmatch(r"(.+)#(\d{1,9})", path.name)
    if match is None or path.exists():
        return path, None
    return path.with_name(match[1]), int(match[2])
