"""What an unfinished audit is of, so that only the same audit goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError


def start_work(out: Path, plan: dict[str, Any]) -> None:
    """Makes the work folder with the plan in it, unless there is one.

    `work_folder` removes one that it has made when an error ends its block, and leaves
    one that it has found: from here on an error costs nothing.
    """
    from gastritis_gan.storage import PLAN_FILE, new_folder, work_folder_of, write_json

    work = work_folder_of(out)
    if not work.exists():
        with new_folder(work) as partial:
            write_json(partial / PLAN_FILE, plan)


def check_plan(work: Path, plan: dict[str, Any]) -> None:
    """Refuses to go on with the audit of something else."""
    from gastritis_gan.storage import PLAN_FILE, read_json

    path = work / PLAN_FILE
    before = read_json(path) if path.exists() else {}
    for key, value in plan.items():
        if before.get(key) != value:
            raise InputError(
                f"{work} holds an unfinished audit with other {key}; remove it, or "
                "give another --out."
            )
