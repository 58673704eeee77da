"""`gastritis-gan runs`: what has been trained and how it went."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from .options import PATH, json_option

_HEADINGS = (
    *("run", "model", "target", "state", "done", "kimg", "px"),
    *("quality", "floor", "other", "best", "at kimg"),
)


@click.command()
@click.argument("folder", type=PATH, default=Path("runs"))
@json_option
def runs(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER (default: runs).

    \b
    gastritis-gan runs demo/runs

    A run is `running` while a process trains it, `finished` after its last step, else
    `stopped`; `fit --resume` resumes a stopped one. `quality` is the distance of
    samples from real patches, lower is better: `floor` is that of other patients of the
    class, `other` that of the other class. `best` is that of the state that is kept.
    """
    from gastritis_gan.training.run import list_runs

    summaries = [run.summary for run in list_runs(folder)]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(run) for run in summaries], indent=2))
        return
    rows = [_HEADINGS]
    rows += [
        (
            run.name,
            run.model,
            run.target,
            run.state,
            f"{run.num_images / run.total_images:.0%}",
            f"{run.num_images / 1000:.1f}",
            str(run.resolution),
            _three_decimals(run.quality),
            _three_decimals(run.quality_floor),
            _three_decimals(run.quality_other_class),
            _three_decimals(run.best_quality),
            "" if run.best_num_images is None else f"{run.best_num_images / 1000:.1f}",
        )
        for run in summaries
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
    for run in summaries:
        for sentence in run.verdicts:
            click.echo(f"{run.name}: {sentence}")


def _three_decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}"
