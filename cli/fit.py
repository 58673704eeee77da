"""`gastritis-gan fit`: a store in, a trained generator out."""

from __future__ import annotations

import typing
from pathlib import Path

import click

from gastritis_gan.training.settings import ModelName, Target

from .experiment import open_experiment
from .options import PATH, config_option, store_option


@click.command()
@config_option
@store_option
@click.option(
    "--model",
    required=True,
    type=click.Choice(typing.get_args(ModelName)),
    help="lc_pggan judges patches of the other class and from outside as fake from "
    "`objective.lc_resolution` on; pggan never does; dcgan does not grow.",
)
@click.option(
    "--target",
    required=True,
    type=click.Choice(typing.get_args(Target)),
    help="The class to imitate: positive or negative.",
)
@click.option(
    "--run",
    "run_dir",
    type=PATH,
    help="New folder for checkpoints, metrics and sample sheets.",
)
@click.option("--resume", is_flag=True, help="Resume --run from its newest checkpoint.")
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
    config_path: Path,
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
    config, store = open_experiment(config_path, store_path)
    sections = config.training_sections
    if dry_run:
        from gastritis_gan.training.forecast import forecast

        click.echo(forecast(sections, store, model=model, target=target))
        return
    from gastritis_gan.config import config_to_dict
    from gastritis_gan.training import fit as training  # TensorFlow loads here
    from gastritis_gan.training.callbacks import RunInterruptedError

    try:
        training.fit(
            sections,
            store,
            model=model,
            target=target,
            out=typing.cast(Path, run_dir),
            resume=resume,
            branch_from=branch_from,
            document=config_to_dict(config),
        )
    except RunInterruptedError as interruption:
        click.echo(f"{run_dir}: {interruption}", err=True)
        raise SystemExit(128 + interruption.signal_number) from None
    click.echo(f"{run_dir}: trained. Next: gastritis-gan export {run_dir} --name NAME")
