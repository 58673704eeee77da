"""`gastritis-gan audit`: do the generators give a patient away?"""

from __future__ import annotations

from pathlib import Path

import click

from .experiment import open_experiment
from .options import (
    PATH,
    config_option,
    store_option,
    weights_dir_option,
    weights_option,
)


@click.command()
@config_option
@store_option
@click.option(
    "--generators",
    "generator_paths",
    required=True,
    multiple=True,
    type=PATH,
    help="A folder of exported models, such as exported/, or one model, exported/NAME "
    "or exported/NAME/1. Repeatable. Give exactly those that a release will use; of "
    "each model the highest version counts.",
)
@click.option(
    "--run",
    "run_paths",
    multiple=True,
    type=PATH,
    help="The run of a generator, for the attack of somebody who also has the "
    "discriminator. Repeatable. It does not decide: the discriminator is not released.",
)
@weights_option
@weights_dir_option
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder to make, such as audits/NAME. An interrupted audit resumes there.",
)
def audit(
    config_path: Path,
    store_path: Path,
    generator_paths: tuple[Path, ...],
    run_paths: tuple[Path, ...],
    weights: tuple[str, ...],
    weights_dir: Path | None,
    out: Path,
) -> None:
    """Measure memorisation and membership, patient by patient, and decide.

    Every sample is compared with every position of the training patients' images, and
    of as many held-out patients' images, which show how alike strangers are. The
    verdict is pass, fail or undecided (too few patients or samples: the number needed
    is stated). The thresholds are in the config's section `audit`. The verdict's hash
    goes into the model cards, and `release` asks for it.

    The folder shows training patients' patches: it must stay inside the hospital.

    \b
    Example:
      gastritis-gan audit --config configs/phantom.yaml --store stores/phantom \\
          --generators exported/ --out audits/phantom
    """
    from gastritis_gan.evaluation.features.weights import find_weights
    from gastritis_gan.privacy.audit import audit as audit_models
    from gastritis_gan.serving.exported_model import find_models
    from gastritis_gan.training.run import Run

    config, store = open_experiment(config_path, store_path)
    models, notes = find_models(generator_paths, split_hash=store.split_hash)
    for note in notes:
        click.echo(note, err=True)
    result = audit_models(
        store,
        models,
        config.audit,
        out=out,
        weights=find_weights(weights, weights_dir, config.audit.extractors),
        discriminators=[
            (run.metadata, run.discriminator()) for run in map(Run.open, run_paths)
        ],
        notes=notes,
    )
    click.echo(f"Verdict: {result.verdict.upper()}")
    for reason in result.reasons:
        click.echo(f"- {reason}")
    click.echo(
        f"Report:  {result.report}\nMetrics: {result.metrics}\n"
        "Both show training patients; keep them inside the hospital."
    )
