"""`gastritis-gan audit`: do the generators give a patient away?"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gastritis_gan.errors import InputError

from .audit_plan import check_plan, start_work
from .experiment import open_experiment
from .extractor_options import weights_dir_option, weights_option
from .generators import find_models
from .options import PATH, config_option, store_option

if TYPE_CHECKING:
    from gastritis_gan.evaluation.features.extractors import FeatureExtractor
    from gastritis_gan.privacy.audit_settings import AuditSettings
    from gastritis_gan.privacy.generator_audit import GeneratorFindings
    from gastritis_gan.privacy.subjects import AuditSubject
    from gastritis_gan.store.store import Store


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
    help="Folder to make, such as audits/NAME. An interrupted audit goes on there.",
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

    Every sample is compared with every position of the training patients' images and of
    as many held-out patients' images, which say how alike strangers are. The verdict is
    pass, fail or undecided (too few patients or samples: the number needed is stated).
    The thresholds are in the config's section `audit`. The verdict's hash goes into the
    model cards, and `release` asks for it.

    The folder shows training patients' patches: it must stay inside the hospital.

    \b
    Example:
      gastritis-gan audit --config configs/phantom.yaml --store stores/phantom \\
          --generators exported/ --out audits/phantom
    """
    import importlib.metadata

    from gastritis_gan.config import config_to_dict
    from gastritis_gan.evaluation.features.weights import find_weights
    from gastritis_gan.privacy.generator_audit import (
        audit_generator,
        num_deciding_tests,
    )
    from gastritis_gan.storage import new_folder, refuse_existing, work_folder

    refuse_existing(out)
    started = time.monotonic()
    config, store = open_experiment(config_path, store_path)
    settings = config.audit
    weights_files = find_weights(weights, weights_dir, settings.extractors)
    models, notes = find_models(generator_paths, store)
    for note in notes:
        click.echo(note, err=True)
    if not models:
        raise InputError(
            "there is no exported model of this store's split to audit; give "
            "--generators what `gastritis-gan export` has made of its runs."
        )
    discriminators = _discriminators(run_paths, [card for _, card in models.values()])
    subjects = [
        _subject(folder, card, discriminators, settings.latent_patches_per_patient > 0)
        for folder, card in models.values()
    ]
    extractors = _extractors(subjects, settings, weights_files)
    tests = num_deciding_tests(subjects, len(settings.extractors))
    alpha = settings.false_alarm_rate / tests
    plan = {
        "settings": config_to_dict(config)["audit"],
        "split_hash": store.split_hash,
        "models": [dataclasses.asdict(subject.model) for subject in subjects],
        "extractors": [e.describe() for e in next(iter(extractors.values()))],
    }
    start_work(out, plan)
    with work_folder(out) as work:
        check_plan(work, plan)
        findings = [
            audit_generator(
                store,
                subject,
                extractors[subject.resolution],
                settings,
                alpha=alpha,
                folder=work / f"{subject.model.name}-{subject.model.version}",
            )
            for subject in subjects
        ]
        with new_folder(out) as partial:
            _write(partial, findings, store, {
                "alpha_per_test": alpha,
                "settings": plan["settings"],
                "extractors": plan["extractors"],
                "run_seconds": round(time.monotonic() - started, 1),
                "notes": notes,
                "packages": {
                    package: importlib.metadata.version(package)
                    for package in ("gastritis-gan", "numpy", "scipy")
                },
            })  # fmt: skip
            _write_cards(partial, [folder for folder, _ in models.values()])
    _report(out)


def _extractors(
    subjects: list[AuditSubject],
    settings: AuditSettings,
    weights_files: dict[str, Path],
) -> dict[int, list[FeatureExtractor]]:
    """Returns the extractors for each size of samples.

    Raises:
        InputError: One does not work: no weights, or too small samples.
    """
    import numpy as np

    from gastritis_gan.evaluation.features.extractors import make_extractor

    extractors = {}
    for resolution in {subject.resolution for subject in subjects}:
        size = min(resolution, settings.match_resolution)
        extractors[resolution] = [
            make_extractor(name, resolution=size, weights_file=weights_files.get(name))
            for name in settings.extractors
        ]
        for extractor in extractors[resolution]:
            extractor(np.zeros((1, size, size, 1), np.float32))  # before hours of work
    return extractors


def _subject(
    folder: Path,
    card: dict[str, Any],
    discriminators: dict[tuple[Any, ...], Callable[..., Any]],
    with_latents: bool,
) -> AuditSubject:
    from gastritis_gan.privacy.latent_search import open_gradient
    from gastritis_gan.privacy.subjects import AuditSubject
    from gastritis_gan.privacy.verdict import AuditedModel
    from gastritis_gan.serving.exported_model import ExportedModel
    from gastritis_gan.serving.model_card import model_hash

    return AuditSubject(
        model=AuditedModel(
            name=card["name"],
            version=int(card["version"]),
            model_hash=model_hash(folder),
        ),
        label=card["target"],
        resolution=int(card["resolution"]),
        latent_dim=int(card["latent_dim"]),
        sample=ExportedModel.open(folder).generate,
        open_gradient=(
            functools.partial(open_gradient, folder) if with_latents else None
        ),
        discriminate=discriminators.get(_training(card)),
    )


def _discriminators(
    run_paths: tuple[Path, ...], cards: Sequence[Mapping[str, Any]]
) -> dict[tuple[Any, ...], Callable[..., Any]]:
    """Returns the discriminators of runs by their training.

    Raises:
        InputError: A path is no finished run, or none of the generators comes from it.
    """
    found = {}
    for path in run_paths:
        from gastritis_gan.training.discriminator_of_run import load_discriminator
        from gastritis_gan.training.trained_run import load_run

        training = _training(load_run(path).facts)
        if training not in [_training(card) for card in cards]:
            raise InputError(
                f"none of these generators was exported from {path}: model, class, "
                "split, seed, size or duration differ; give their own runs."
            )
        found[training] = load_discriminator(path)[1]
    return found


def _training(facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """Returns what the card of an export and its run have in common."""
    keys = ("model", "target", "split_hash", "seed", "resolution", "num_images")
    return tuple(facts.get(key) for key in keys)


def _write(
    folder: Path, findings: list[GeneratorFindings], store: Store, facts: dict[str, Any]
) -> None:
    from gastritis_gan.privacy.audit_document import audit_document
    from gastritis_gan.privacy.report_page import write_report
    from gastritis_gan.privacy.verdict import write_audit

    document = {**audit_document(findings, store), **facts}
    write_audit(folder, document)
    write_report(folder, document, findings, store)


def _write_cards(audit_dir: Path, models: list[Path]) -> None:
    """Writes the verdict and its hash into the model cards."""
    from gastritis_gan.privacy.verdict import read_verdict
    from gastritis_gan.serving.model_card import add_audit

    verdict = read_verdict(audit_dir)
    for folder in models:
        add_audit(folder, {"verdict": verdict.verdict, "sha256": verdict.sha256})


def _report(out: Path) -> None:
    """Prints the verdict."""
    from gastritis_gan.privacy.verdict import AUDIT_FILE, read_verdict

    verdict = read_verdict(out)
    click.echo(f"Verdict: {verdict.verdict.upper()}")
    for reason in verdict.reasons:
        click.echo(f"- {reason}")
    click.echo(
        f"Report:  {out / 'report.html'}\nFigures: {out / AUDIT_FILE}\n"
        "Both show training patients; keep them inside the hospital."
    )
