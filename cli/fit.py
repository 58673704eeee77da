"""`gastritis-gan fit`: a store in, a trained generator out."""

from __future__ import annotations

import typing
from pathlib import Path

import click

from gastritis_gan.config import ModelName, Target

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
    "`objective.lc_resolution` on; pggan never does.",
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
    required=True,
    type=PATH,
    help="New folder for checkpoints, metrics and sample sheets.",
)
@click.option(
    "--resume", is_flag=True, help="Go on from the newest checkpoint of --run."
)
def fit(
    config_path: Path,
    store_path: Path,
    model: ModelName,
    target: Target,
    run_dir: Path,
    resume: bool,
) -> None:
    """Train one generator on one class.

    \b
    gastritis-gan fit --config configs/phantom.yaml --store stores/phantom \\
        --model lc_pggan --target positive --run runs/lc_positive

    The run folder receives config.yaml (every setting), metrics.jsonl, tensorboard/, a
    sheet of samples per stage, and checkpoints.
    """
    config, store = open_experiment(config_path, store_path)
    from gastritis_gan.training.run import train  # TensorFlow loads here

    train(config, store, model=model, target=target, run_dir=run_dir, resume=resume)
    click.echo(f"{run_dir}: trained. Next: gastritis-gan export {run_dir} --name NAME")
