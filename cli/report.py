"""`gastritis-gan report`: an experiment on one page."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, store_option


@click.command()
@click.argument("out", type=PATH)
@store_option
@click.option("--runs", type=PATH, help="Folder of runs, or one run.")
@click.option("--exported", type=PATH, help="Folder of exported models, or one model.")
@click.option(
    "--results",
    multiple=True,
    type=PATH,
    help="Folder that `gan-train` or `image-metrics` made. Repeatable.",
)
@click.option("--audit", type=PATH, help="Folder that `audit` made.")
def report(
    out: Path,
    store_path: Path,
    runs: Path | None,
    exported: Path | None,
    results: tuple[Path, ...],
    audit: Path | None,
) -> None:
    """Write an experiment as one HTML page, OUT, such as report.html.

    It shows cohort and split, real patches beside samples, the curves and sheets of
    every run, the tables of GAN-train beside the paper's, image metrics beside their
    floors, the audit's verdict, and where all of it comes from. What is not given is
    named as missing. The page needs no network and no other file.

    It shows training patients' patches: it must stay inside the hospital.

    \b
    Example:
      gastritis-gan report report.html --store stores/phantom --runs runs \\
          --exported exported --results results/phantom --audit audits/phantom
    """
    from gastritis_gan.reports import report as reports

    page = reports.report(
        out,
        store=store_path,
        runs=runs,
        exported=exported,
        results=results,
        audit=audit,
    )
    click.echo(f"Report:  {page} (shows training patients: keep it inside)")
