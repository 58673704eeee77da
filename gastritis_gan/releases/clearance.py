"""What an audit allows: which images of which models may be given away."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.privacy.verdict import AuditResult, read_verdict
from gastritis_gan.releases.mix import ReleasePart, origin
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.model_folder import card_hash


@dataclasses.dataclass(frozen=True)
class Clearance:
    """Why a release may be made.

    Attributes:
        audit: The privacy audit of exactly its models, if there is one.
        gaps: Phrases on images of the release that the audit did not examine.
        other_audits: Phrases on further audits that the models' cards record.
        accepted_risk: Why it is published without a pass, or with gaps.
    """

    audit: AuditResult | None = None
    gaps: tuple[str, ...] = ()
    other_audits: tuple[str, ...] = ()
    accepted_risk: str | None = None


def clear(
    parts: Sequence[ReleasePart],
    *,
    truncation: float,
    audit_dir: Path | None,
    accepted_risk: str | None,
    key: bytes | None = None,
) -> Clearance:
    """Checks that an audit has passed for every image of a release.

    Args:
        parts: The models and the seeds.
        truncation: Of all images.
        audit_dir: The audit.
        accepted_risk: Why to release without a pass, or images that were not audited.
        key: The store's, with which the audit has to be sealed.

    Raises:
        InputError: The audit is damaged, of other models or another split, or is not in
            their cards; or it has not passed or not examined all images, and no risk
            was accepted.
    """
    if accepted_risk is not None and not accepted_risk.strip():
        raise InputError("--accept-risk needs a reason; the datasheet will quote it.")
    models = [part.model for part in parts]
    if audit_dir is None:
        if key is not None:
            raise InputError("--key-file checks an audit; give one with --audit.")
        audit, gaps = None, list[str]()
    else:
        audit = read_verdict(audit_dir, key=key)
        _check_models(audit, models)
        gaps = _gaps(parts, audit, truncation)
    if accepted_risk is None:
        _refuse_risk(audit, gaps)
    others = _other_audits(models, audit)
    return Clearance(audit, tuple(gaps), tuple(others), accepted_risk)


def _check_models(audit: AuditResult, models: Sequence[ExportedModel]) -> None:
    audited, released = (
        {(model.name, model.version, model.model_hash) for model in group}
        for group in (audit.models, models)
    )
    differing = {f"{name}/{version}" for name, version, _ in audited ^ released}
    if differing:
        raise InputError(
            f"{audit.path} is not the audit of exactly these models (it differs in "
            f"{', '.join(sorted(differing))}); audit the models that you release."
        )
    split_hash = models[0].card.get("split_hash")
    if audit.split_hash != split_hash:
        raise InputError(
            f"{audit.path} audited the split {audit.split_hash}, and the models were "
            f"trained on {split_hash}; audit them with their own store."
        )
    card_hashes = {(m.name, m.version): m.card_hash for m in audit.models}
    for model in models:
        if card_hashes[model.name, model.version] != card_hash(model.card):
            raise InputError(
                f"the card of {origin(model)} is not the one that {audit.path} "
                "examined: its class, split, training or a file was changed; export "
                "the model again and audit it."
            )
        if audit.sha256 not in [a["sha256"] for a in model.card.get("audits", [])]:
            raise InputError(
                f"{audit.path} is not an audit that the card of {origin(model)} names: "
                "audit.json was changed since, or the card was; repeat the audit of "
                "these models."
            )


def _gaps(
    parts: Sequence[ReleasePart], audit: AuditResult, truncation: float
) -> list[str]:
    num_seeds = {(m.name, m.version): m.num_seeds for m in audit.models}
    gaps = [
        f"{origin(part.model)} gives the seeds {part.seed} to {last}, and "
        + (f"0 to {most - 1} were audited" if most else "none were audited")
        for part in parts
        for most in [num_seeds[part.model.name, part.model.version]]
        for last in [part.seed + part.count - 1]
        if last >= most
    ]
    if truncation != 1:
        gaps.append(f"the truncation is {truncation:g}, and 1 was audited")
    return gaps


def _refuse_risk(audit: AuditResult | None, gaps: Sequence[str]) -> None:
    if audit is not None and audit.verdict == "pass":
        if not gaps:
            return
        raise InputError(
            f"the audit did not examine all images of this release ({'; '.join(gaps)})."
            " Release other seeds at truncation 1, raise `audit.samples_per_generator`"
            ' and audit again, or give --accept-risk "REASON", which the datasheet '
            "will quote."
        )
    found = f"the audit's verdict is '{audit.verdict}'" if audit else "there is none"
    raise InputError(
        f"a release needs a passing privacy audit of its models, and {found}; give one "
        'with --audit, or --accept-risk "REASON", which the datasheet will quote.'
    )


def _other_audits(
    models: Sequence[ExportedModel], audit: AuditResult | None
) -> list[str]:
    """Returns the audits that the cards record beside this one, each once."""
    recorded = {
        entry["sha256"]: f"{entry['verdict']} ({entry['date'][:10]})"
        for model in models
        for entry in model.card.get("audits", [])
    }
    if audit is not None:
        recorded |= {
            entry.sha256: f"{entry.verdict} ({entry.date[:10]})"
            for model in audit.models
            for entry in model.earlier_audits
        }
        del recorded[audit.sha256]
    return list(recorded.values())


_SEALS = {
    "checked": "It was sealed with the key of the cohort's store, and the seal is "
    "whole.",
    "not checked": "Its seal was not checked: the key of the cohort's store was not "
    "given.",
    "absent": "It has no seal: the key of the cohort's store was not there when it was "
    "made. Whoever can write the files could have changed it.",
}


def clearance_sentences(clearance: Clearance) -> list[str]:
    """Returns what was audited and what was not, for the datasheet."""
    audit = clearance.audit
    sentences = []
    if audit is not None:
        seeds = ", ".join(
            f"{model.name}/{model.version} {model.num_seeds:,}"
            for model in audit.models
        )
        sentences += [
            "Samples that were examined, from seed 0 on, at truncation 1: "
            f"{seeds}. Not examined in this release: "
            f"{'; '.join(clearance.gaps) or 'none'}.",
            f"Tests: {'; '.join(audit.tests)}.",
            f"Settings that are not the defaults: "
            f"{'; '.join(audit.deviations) or 'none'}.",
            _SEALS[audit.seal],
        ]
    others = clearance.other_audits
    which = "Other audits" if audit else "Audits"
    sentences.append(
        f"{which} of these models that their cards record: "
        f"{'; '.join(others) or 'none'}."
    )
    return sentences


def describe_clearance(clearance: Clearance) -> dict[str, Any] | None:
    """Returns the audit for `release.json`, None without one."""
    audit = clearance.audit
    if audit is None:
        return None
    return {
        "verdict": audit.verdict,
        "reasons": audit.reasons,
        "sha256": audit.sha256,
        "date": audit.date,
        "seal": audit.seal,
        "tests": audit.tests,
        "samples": {f"{m.name}/{m.version}": m.num_seeds for m in audit.models},
        "not_examined": clearance.gaps,
        "not_the_defaults": audit.deviations,
        "other_audits": clearance.other_audits,
    }
