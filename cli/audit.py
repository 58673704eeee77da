"""`gastritis-gan audit`: do the generators give a patient away?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .options import (
    PATH,
    Config,
    config_option,
    generators_option,
    json_option,
    key_option,
    parse_weights,
    store_option,
    weights_dir_option,
    weights_option,
)

_EXIT_CODES = {"pass": 0, "fail": 3, "undecided": 4}


@click.command()
@config_option
@store_option
@generators_option
@click.option(
    "--run",
    "run_paths",
    multiple=True,
    type=PATH,
    help="Run of a generator, for the attack that also uses the discriminator. "
    "Repeatable. This attack does not decide: the discriminator is not released.",
)
@weights_option
@weights_dir_option
@key_option
@click.option(
    "--by",
    default="",
    help="Who runs the audit, for the report's line to sign; empty by default.",
)
@click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder to make, such as audits/NAME. An interrupted audit resumes there.",
)
@json_option
def audit(
    config: Config,
    store_path: Path,
    generator_paths: tuple[Path, ...],
    run_paths: tuple[Path, ...],
    weights: tuple[str, ...],
    weights_dir: Path | None,
    key_path: Path | None,
    by: str,
    out: Path,
    as_json: bool,
) -> None:
    """Measure memorisation and membership, patient by patient, and decide.

    Every sample is compared with every position of the training patients' images, and
    of as many held-out patients' images, which show how alike strangers are. The
    verdict is pass, fail or undecided (too few patients or samples: the number needed
    is stated). The thresholds are in the config's section `audit`. The verdict's hash
    goes into the model cards, and `release` asks for it.

    The folder shows training patients' patches: it must stay inside the hospital.

    \b
    Exit code: 0 pass, 3 fail, 4 undecided; 2 where there is no verdict.

    \b
    Example:
      gastritis-gan audit --config configs/phantom.yaml --store stores/phantom \\
          --generators exported/ --out audits/phantom
    """
    from gastritis_gan import api

    result = api.audit(
        config,
        store_path,
        generator_paths,
        out=out,
        runs=run_paths,
        weights=parse_weights(weights, weights_dir),
        key=key_path,
        by=by,
    )
    if as_json:
        click.echo(result.metrics.read_text(encoding="utf-8"))
        sys.exit(_EXIT_CODES[result.verdict])
    click.echo(
        f"{result.digest}\n\nReport:  {result.report}\nMetrics: {result.metrics}\n"
        "Both show training patients; keep them inside the hospital."
    )
    sys.exit(_EXIT_CODES[result.verdict])
