"""The findings of an audit as `audit.json` holds them (docs/audit-format.md)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gastritis_gan.privacy.decision import overall
from gastritis_gan.privacy.exposure import (
    SpaceFindings,
    joint_copy_rate_bound,
    joint_power,
)
from gastritis_gan.privacy.generator_audit import GeneratorFindings
from gastritis_gan.privacy.membership import FALSE_POSITIVE_RATES, Attack, Membership
from gastritis_gan.privacy.report import closest_pairs
from gastritis_gan.store.store import Store


def audit_document(
    findings: Sequence[GeneratorFindings], store: Store
) -> dict[str, Any]:
    """Returns verdict, reasons, models and all metrics, JSON-able; keys only.

    Args:
        findings: At least one.
        store: The audited store.
    """
    decisions = [decision for found in findings for decision in found.decisions]
    verdict = overall(decisions)
    return {
        "verdict": verdict,
        "reasons": [
            f"{found.subject.model.name}, version {found.subject.model.version}, "
            f"{decision.test}: {decision.reason}"
            for found in findings
            for decision in found.decisions
            if decision.verdict == verdict
        ],
        "split_hash": store.split_hash,
        "models": [dataclasses.asdict(found.subject.model) for found in findings],
        "generators": [_generator(found, store) for found in findings],
    }


def _generator(found: GeneratorFindings, store: Store) -> dict[str, Any]:
    training = found.cohort.is_training
    document: dict[str, Any] = {
        **dataclasses.asdict(found.subject.model),
        "label": found.subject.label,
        "resolution": found.subject.resolution,
        "compared_resolution": found.samples.shape[1],
        "verdict": overall(found.decisions),
        "decisions": [dataclasses.asdict(decision) for decision in found.decisions],
        "patients": {
            "training": int(training.sum()),
            "held_out": int((~training).sum()),
            "images": len(found.cohort.images),
        },
        "samples": len(found.samples),
        "flat_samples": found.num_flat,
        "attacks": [_attack(attack) for attack in found.attacks],
        "linkage": {
            group: None if linkage is None else dataclasses.asdict(linkage)
            for group, linkage in found.linkage.items()
        },
    }
    if not found.spaces:
        return document
    return document | {
        "memorisation": {
            "power": joint_power(found.spaces),
            "copy_rate_bound": joint_copy_rate_bound(found.spaces),
            "spaces": [_space(space) for space in found.spaces],
        },
        "closest_pairs": {
            group: [dataclasses.asdict(pair) for pair in pairs]
            for group, pairs in closest_pairs(found, store).items()
        },
        "per_patient": [
            {
                "patient": patient,
                "group": "training" if training[index] else "held_out",
                "exposed": any(
                    s.exposure.exposed[index] for s in found.spaces if s.decides
                ),
                "exposure": {
                    s.name: float(s.exposure.exposure[index]) for s in found.spaces
                },
                "attacks": {a.name: float(a.scores[index]) for a in found.attacks},
            }
            for index, patient in enumerate(found.cohort.patients)
        ],
    }


def _space(space: SpaceFindings) -> dict[str, Any]:
    threshold = space.exposure.threshold
    return {
        "name": space.name,
        "decides": space.decides,
        "threshold": threshold if math.isfinite(threshold) else None,
        "exposed_patients": int(space.exposure.exposed.sum()),
        "copies": space.num_copies,
        "excess_copies": dataclasses.asdict(space.copies),
        "excess_close": dataclasses.asdict(space.close),
        "power": float(np.mean(space.is_noticed)),
        "held_out_exposed": space.num_held_out_exposed,
        "patients_needed": space.patients_needed,
    }


def _attack(attack: Attack) -> dict[str, Any]:
    return {
        "name": attack.name,
        "decides": attack.decides,
        **_membership(attack.found),
        "control": None if attack.control is None else _membership(attack.control),
    }


def _membership(found: Membership) -> dict[str, Any]:
    return {
        "auc": dataclasses.asdict(found.auc),
        "auc_bound": found.auc_bound,
        "p_value": found.p_value,
        "tpr": [
            {"fpr": fpr, **dataclasses.asdict(rate)}
            for fpr, rate in zip(FALSE_POSITIVE_RATES, found.tpr, strict=True)
        ],
    }
