"""`gastritis-gan runs`: what has been trained and how it went."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import PATH, json_option

if TYPE_CHECKING:
    from gastritis_gan.training.run import Run

_COLUMNS = (
    *("run", "model", "class", "state", "done", "px"),
    *("quality", "floor", "other", "best"),
)
_PHASE_COLUMNS = (
    *("phase", "kimg", "images/s", "d_loss", "g_loss"),
    *("diversity", "of real", "quality"),
)


@click.command()
@click.argument("folder", metavar="[FOLDER|RUN]", type=PATH, default=Path("runs"))
@json_option
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER (default: runs), or show one RUN.

    \b
    gastritis-gan runs demo/runs
    gastritis-gan runs demo/runs/lc_positive

    A run is `running` while a process trains it, `finished` after its last step, else
    `stopped`; `fit --resume` resumes a stopped one. `quality` is the distance of
    samples from real patches, lower is better: `floor` is that of other patients of the
    class, `other` that of the other class. `best` is that of the state that is kept.
    A run is shown with the last tick of each phase; `diversity` is the mean distance of
    two samples, `of real` that of two real patches.
    """
    from gastritis_gan.training.run import Run, list_runs

    is_run = (folder / "run.json").is_file()
    found = [Run.open(folder)] if is_run else list_runs(folder)
    summaries = [run.summary for run in found]
    if as_json:
        plain = [dataclasses.asdict(summary) for summary in summaries]
        click.echo(json.dumps(plain[0] if is_run else plain, indent=2))
        return
    if is_run:
        click.echo(_description(found[0]))
        return
    from gastritis_gan.evaluation.digest import text_table

    rows = [
        (
            run.name,
            run.model,
            run.class_name,
            run.state,
            f"{run.num_images / run.total_images:.0%}",
            str(run.resolution),
            _decimals(run.quality),
            _decimals(run.quality_floor),
            _decimals(run.quality_other_class),
            _decimals(run.best_quality),
        )
        for run in summaries
    ]
    click.echo(text_table(_COLUMNS, rows))
    for run in summaries:
        for sentence in run.verdicts:
            click.echo(f"{run.name}: {sentence}")


def _description(run: Run) -> str:
    """Returns a run's state, the last tick of each of its phases, and its verdicts."""
    from gastritis_gan.evaluation.digest import text_table

    summary, last = run.summary, run.last_metrics() or {}
    lines = [
        f"{summary.name}: {summary.model} of {summary.class_name} ({summary.target})",
        f"{summary.state}: {summary.num_images:,} of {summary.total_images:,} images "
        f"({summary.num_images / summary.total_images:.0%})",
    ]
    if summary.quality is not None:
        lines.append(
            f"quality {_decimals(summary.quality)} against {last['quality_reference']} "
            f"patients (floor {_decimals(summary.quality_floor)}, other class "
            f"{_decimals(summary.quality_other_class)})"
        )
    if summary.best_num_images is not None:
        lines.append(
            f"best {_decimals(summary.best_quality)}, after "
            f"{summary.best_num_images:,} images"
        )
    ticks = {(tick["resolution"], tick["phase"]): tick for tick in run.metrics()}
    rows = [
        (
            f"{tick['resolution']} px {tick['phase']}",
            f"{tick['num_images'] / 1000:.1f}",
            _decimals(tick.get("images_per_second"), 0),
            _decimals(tick.get("d_loss")),
            _decimals(tick.get("g_loss")),
            _decimals(tick.get("diversity"), 1),
            _decimals(tick.get("real_diversity"), 1),
            _decimals(tick.get("quality")),
        )
        for tick in ticks.values()
    ]
    if rows:
        lines += ["", text_table(_PHASE_COLUMNS, rows)]
    return "\n".join([*lines, "", *summary.verdicts]).rstrip()


def _decimals(number: float | None, places: int = 3) -> str:
    return "" if number is None else f"{number:.{places}f}"
