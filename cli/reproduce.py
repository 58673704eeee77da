"""`gastritis-gan reproduce`: a cohort in, every table of the paper out."""

from __future__ import annotations

from pathlib import Path

import click

from gastritis_gan.errors import InputError

from .options import (
    PATH,
    parse_weights,
    weights_dir_option,
    weights_option,
)


class _Seeds(click.ParamType):
    """Integers with commas between them."""

    name = "seeds"

    def convert(
        self,
        value: str | tuple[int, ...],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = value.split(",")
        if not all(word.strip().isdecimal() for word in words):
            self.fail(f"{value!r} is not a list of integers such as 0,1,2.", param, ctx)
        return tuple(map(int, words))


@click.command()
@click.option(
    "--config",
    "config_path",
    required=True,
    type=PATH,
    help="The experiment file (YAML); its `training.seed` gives way to --seeds.",
)
@click.option(
    "--cohort",
    required=True,
    type=PATH,
    help="A `cohort.csv`, or the folder that holds it.",
)
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder of all that is made: a new one, or that of the same experiment.",
)
@click.option(
    "--seeds",
    default="0",
    show_default=True,
    type=_Seeds(),
    metavar="0,1,2",
    help="Training seeds; all generators are trained with each.",
)
@weights_option
@weights_dir_option
@click.option(
    "--dry-run",
    is_flag=True,
    help="Make nothing: list the steps with a forecast of each.",
)
@click.argument(
    "snakemake_options",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[-- SNAKEMAKE-OPTIONS]",
)
def reproduce(
    config_path: Path,
    cohort: Path,
    out: Path,
    seeds: tuple[int, ...],
    weights: tuple[str, ...],
    weights_dir: Path | None,
    dry_run: bool,
    snakemake_options: tuple[str, ...],
) -> None:
    """Train and evaluate every model of the paper on a cohort, as one chain.

    OUT receives the store, the runs of PGGAN, LC-PGGAN and DCGAN of both classes for
    every seed, their exported models and samples, GAN-train tables and image metrics
    over all seeds, and an audit of every seed's models. The same command resumes: a
    step whose inputs are unchanged is skipped, and a training that was stopped or
    killed resumes from its newest checkpoint.

    Snakemake runs the steps: here, on all cores, or with its options, which stand
    behind `--`, on a cluster (docs/clusters.md).

    \b
    Examples:
      gastritis-gan reproduce --config configs/study_phantom.yaml \\
        --cohort cohorts/phantom --out studies/phantom --seeds 0,1,2
      gastritis-gan reproduce --config configs/paper.yaml --cohort cohorts/ours \\
        --out studies/paper -- --executor slurm --jobs 8
    """
    from gastritis_gan.cohort.cohort import CohortError
    from gastritis_gan.workflow import chain

    options = parse_weights(weights, weights_dir)
    if dry_run:
        if snakemake_options:
            raise click.UsageError("--dry-run takes no options of Snakemake.")
        try:
            table = chain.forecast_chain(
                config_path, cohort, out, seeds=seeds, weights=options
            )
        except CohortError as error:  # whose message may name a patient
            raise InputError(
                f"{error.public} (`gastritis-gan prepare --verbose` names the file.)"
            ) from error
        click.echo(table)
        return
    result = chain.reproduce(
        config_path,
        cohort,
        out,
        seeds=seeds,
        weights=options,
        engine_options=snakemake_options,
    )
    if result is None:
        click.echo("Snakemake has ended; GAN-train was not among its steps.")
        return
    click.echo(result.summary)
    click.echo(
        f"Tables:         {out / 'results' / 'gan_train'}\n"
        f"Image metrics:  {out / 'results' / 'image_metrics' / 'metrics.md'}\n"
        f"Audits:         {out / 'audits'} (they show training patients)\n"
        f"Samples:        {out / 'samples'}\n"
        f"Models:         {out / 'exported'}"
    )
