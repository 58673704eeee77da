"""The audit of exported models: from a store and models to a verdict in a folder."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import importlib.metadata
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.extractors import (
    FeatureExtractor,
    make_extractor,
)
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.generator_audit import audit_generator, num_deciding_tests
from gastritis_gan.privacy.latent_search import open_gradient
from gastritis_gan.privacy.report import audit_document, write_report
from gastritis_gan.privacy.subjects import AuditSubject, Discriminate
from gastritis_gan.privacy.verdict import (
    AuditedModel,
    AuditResult,
    read_verdict,
    write_audit,
)
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.model_folder import add_audit, card_hash
from gastritis_gan.storage import (
    PLAN_FILE,
    new_folder,
    read_json,
    refuse_existing,
    work_folder,
    work_folder_of,
    write_json,
)
from gastritis_gan.store.store import Store
from gastritis_gan.typed_config import to_plain

_METHOD = 3  # changes whenever the arrays in a work folder would differ
_TRAINING_KEYS = (  # what the metadata of a run and its model's card have in common
    "model", "target", "split_hash", "seed", "resolution", "num_images",
)  # fmt: skip


def audit(  # noqa: PLR0913 - what is audited, how, and by whom
    store: Store,
    models: Sequence[ExportedModel],
    settings: AuditSettings,
    *,
    out: str | os.PathLike[str],
    weights: Mapping[str, Path] = {},
    discriminators: Iterable[tuple[Mapping[str, Any], Discriminate]] = (),
    notes: Sequence[str] = (),
    key: bytes | None = None,
    by: str = "",
) -> AuditResult:
    """Measures memorisation and membership, patient by patient, and decides.

    Writes the folder `out` (docs/audit-format.md) and the verdict with its hash into
    the card of every model. An audit that was interrupted resumes from the work folder
    beside `out` when it is called again with the same arguments.

    Args:
        store: The store of the split that trained the models.
        models: Exactly those that a release will use; at least one.
        settings: Effort, thresholds and seed.
        out: Folder to make. It shows patches of training patients: it must stay inside
            the hospital.
        weights: The file with the weights of each pretrained extractor; without one,
            Keras downloads them.
        discriminators: For the attack of somebody who also has the discriminator, pairs
            of the metadata of the run that trained it and of a function from patches
            `(n, r, r, 1)` of one patient in [-1, 1] to scores `(n,)`. Such an attack
            does not decide, for discriminators are not released.
        notes: Sentences for the report, such as on models that were left out.
        key: The store's; it seals `audit.json`, so that a forged one is noticed.
        by: Who runs it, for the report.

    Returns:
        The verdict, its reasons, and where the report is.

    Example:
        >>> models, notes = find_models(  # doctest: +SKIP
        ...     ["exported"], split_hash=store.split_hash
        ... )
        >>> audit(  # doctest: +SKIP
        ...     store, models, AuditSettings(), out="audits/first", notes=notes
        ... )
        <AuditResult undecided: gastritis 1, in audits/first>

    Raises:
        InputError: `out` exists, there is no model, a model or a discriminator does not
            belong to the others, an extractor does not work, or the work folder holds
            another audit.
    """
    started = time.monotonic()
    out = Path(out)
    refuse_existing(out)
    subjects = _subjects(store, models, settings, discriminators)
    extractors = _extractors(models, settings, weights)
    num_tests = num_deciding_tests(subjects, len(settings.extractors))
    alpha = settings.false_alarm_rate / num_tests
    plan = {
        "settings": to_plain(settings),
        "split_hash": store.split_hash,
        "models": [dataclasses.asdict(subject.model) for subject in subjects],
        "extractors": [e.describe() for e in extractors[models[0].resolution]],
        "method": _METHOD,
    }
    _start_work(out, plan)
    with work_folder(out) as work:
        _refuse_other_plan(work, plan)
        findings = []
        for model, subject in zip(models, subjects, strict=True):
            findings.append(
                audit_generator(
                    store,
                    subject,
                    extractors[subject.resolution],
                    settings,
                    alpha=alpha,
                    folder=work / f"{subject.model.name}-{subject.model.version}",
                )
            )
            model.close()  # one generator in memory at a time
        document = {
            **audit_document(findings, store),
            "models": [
                {
                    **dataclasses.asdict(found.subject.model),
                    "card_hash": card_hash(model.card),
                    "num_seeds": len(found.samples),
                    "earlier_audits": model.card.get("audits", []),
                }
                for model, found in zip(models, findings, strict=True)
            ],
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "by": by,
            "alpha_per_test": alpha,
            "settings": plan["settings"],
            "extractors": plan["extractors"],
            "run_seconds": round(time.monotonic() - started, 1),
            "notes": list(notes),
            "packages": {
                package: importlib.metadata.version(package)
                for package in ("gastritis-gan", "numpy", "scipy")
            },
        }
        with new_folder(out, private=True) as partial:
            write_report(partial, document, findings, store)
            write_audit(partial, document, key=key)
            result = read_verdict(partial, key=key)
            entry = {
                "verdict": result.verdict,
                "sha256": result.sha256,
                "date": result.date,
            }
            for model in models:  # before it appears, so that none goes unrecorded
                add_audit(model.path, entry, audited=model.card)
                model.card.setdefault("audits", []).append(entry)
    return dataclasses.replace(result, path=out)


def _subjects(
    store: Store,
    models: Sequence[ExportedModel],
    settings: AuditSettings,
    discriminators: Iterable[tuple[Mapping[str, Any], Discriminate]],
) -> list[AuditSubject]:
    if not models:
        raise InputError(
            "there is no exported model of this store's split to audit; give what "
            "`gastritis-gan export` has made of its runs."
        )
    for model in models:
        if model.card.get("split_hash") != store.split_hash:
            raise InputError(
                f"{model.path} was trained on another split than this store's; audit "
                "it with its own store."
            )
        target, name = model.card["target"], model.class_name
        if name != (store.positive if target == "positive" else store.negative):
            raise InputError(
                f"{model.path} states the class {name!r}, and the store calls its "
                f"{target} class otherwise; audit the model as it was exported."
            )
    trained = [_training(model.card) for model in models]
    of_training = {}
    for metadata, discriminate in discriminators:
        if _training(metadata) not in trained:
            raise InputError(
                "none of these generators was exported from the "
                f"{metadata.get('model')} run of the {metadata.get('target')} class: "
                "split, seed, size or duration differ; give the generators' own runs."
            )
        of_training[_training(metadata)] = discriminate
    return [
        AuditSubject(
            model=AuditedModel(
                name=model.name, version=model.version, model_hash=model.model_hash
            ),
            label=model.card["target"],
            resolution=model.resolution,
            latent_dim=int(model.card["latent_dim"]),
            sample=model.generate,
            open_gradient=functools.partial(open_gradient, model.load)
            if settings.latent_patches_per_patient
            else None,
            discriminate=of_training.get(training),
        )
        for model, training in zip(models, trained, strict=True)
    ]


def _training(metadata: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(metadata.get(key) for key in _TRAINING_KEYS)


def _extractors(
    models: Sequence[ExportedModel],
    settings: AuditSettings,
    weights: Mapping[str, Path],
) -> dict[int, list[FeatureExtractor]]:
    """Returns the extractors for the samples of each resolution, each tried once."""
    extractors = {}
    for resolution in {model.resolution for model in models}:
        size = min(resolution, settings.match_resolution)
        extractors[resolution] = [
            make_extractor(name, resolution=size, weights_file=weights.get(name))
            for name in settings.extractors
        ]
        for extractor in extractors[resolution]:
            extractor(np.zeros((1, size, size, 1), np.float32))  # before hours of work
    return extractors


def _start_work(out: Path, plan: dict[str, Any]) -> None:
    """Makes the work folder with the plan in it, unless there is one.

    `work_folder` removes one that it has made when an error ends its block, and leaves
    one that it has found: from here on an error costs nothing.
    """
    folder = work_folder_of(out)
    if not folder.exists():
        with new_folder(folder, private=True) as partial:
            write_json(partial / PLAN_FILE, plan)


def _refuse_other_plan(work: Path, plan: dict[str, Any]) -> None:
    path = work / PLAN_FILE
    before = read_json(path) if path.exists() else {}
    for key, value in plan.items():
        if before.get(key) != value:
            raise InputError(
                f"{work} holds an unfinished audit with other {key}; remove it, or "
                "give another folder for this audit."
            )
