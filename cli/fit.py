"""`gastritis-gan fit`: a store in, a trained generator out."""

from __future__ import annotations

import typing
from pathlib import Path

import click

from gastritis_gan.training.training_settings import ModelName, Target

from .options import PATH, Config, config_option, store_option


@click.command()
@config_option
@store_option
@click.option(
    "--model",
    required=True,
    type=click.Choice(typing.get_args(ModelName)),
    help="pggan grows from resolution to resolution; for lc_pggan, patches of the "
    "other class and from outside the organ are fake too, from "
    "`objective.lc_resolution` on; dcgan does not grow.",
)
@click.option(
    "--target",
    required=True,
    type=click.Choice(typing.get_args(Target)),
    help="The class to imitate.",
)
@click.option(
    "--run",
    "run_dir",
    type=PATH,
    help="New folder for checkpoints, metrics and sample sheets.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Resume --run from its newest checkpoint. The config may give a longer last "
    "stage, other learning rates and other bookkeeping.",
)
@click.option(
    "--from",
    "branch_from",
    type=PATH,
    help="A pggan run of the same config and target: lc_pggan is the same run until "
    "`objective.lc_resolution` and starts from its last common checkpoint.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Train nothing: forecast what every stage costs, from a few steps of each.",
)
def fit(
    config: Config,
    store_path: Path,
    model: ModelName,
    target: Target,
    run_dir: Path | None,
    resume: bool,
    branch_from: Path | None,
    dry_run: bool,
) -> None:
    """Train one generator on one class.

    \b
    gastritis-gan fit --config configs/phantom.yaml --store stores/phantom \\
        --model lc_pggan --target positive --run runs/lc_positive

    The run folder receives config.yaml (every setting), metrics.jsonl, tensorboard/,
    sheets of samples, and checkpoints. Ctrl-C and SIGTERM leave a checkpoint; with
    --resume the run continues as if nothing had happened. `gastritis-gan runs` lists
    runs.
    """
    if run_dir is None and not dry_run:
        raise click.UsageError("give --run, the folder of the run, or --dry-run.")
    if dry_run and (run_dir is not None or resume or branch_from is not None):
        raise click.UsageError(
            "--dry-run trains nothing: leave out --run, --resume and --from."
        )
    from gastritis_gan import api
    from gastritis_gan.errors import RunInterruptedError

    if dry_run:
        table = api.forecast(config, store_path, model=model, target=target)
        click.echo(table)
        return
    try:
        api.fit(
            config,
            store_path,
            model=model,
            target=target,
            out=typing.cast(Path, run_dir),
            resume=resume,
            branch_from=branch_from,
        )
    except RunInterruptedError as interruption:
        click.echo(f"{run_dir}: {interruption}", err=True)
        raise SystemExit(128 + interruption.signal_number) from None
    click.echo(f"{run_dir}: trained. Next: gastritis-gan export {run_dir} --name NAME")
