"""From findings to decisions and a verdict, and the verdict of a finished audit."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.errors import InputError
from gastritis_gan.files import read_json, sha256_of_file, write_json
from gastritis_gan.privacy.copies import (
    SpaceFindings,
    joint_copy_rate_bound,
    joint_power,
    samples_needed,
)
from gastritis_gan.privacy.membership import Membership, membership_patients_needed

AUDIT_FILE = "audit.json"
FORMAT = "gastritis-gan audit"
FORMAT_VERSION = 1

Verdict = Literal["pass", "fail", "undecided"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditedModel:
    """An exported model that an audit has examined.

    Attributes:
        name: Of the exported model.
        version: Of the exported model.
        model_hash: `serving.model_card.model_hash` of the version, 64 hexadecimal
            digits.
    """

    name: str
    version: int
    model_hash: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditVerdict:
    """The decision of an audit and what it is about.

    Attributes:
        verdict: "pass", "fail" or "undecided".
        reasons: A sentence for each finding that decided.
        split_hash: Of the store.
        models: Exactly the models that were examined.
        sha256: Of `audit.json`, 64 hexadecimal digits.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    split_hash: str
    models: tuple[AuditedModel, ...]
    sha256: str


def write_audit(audit_dir: Path, content: Mapping[str, Any]) -> None:
    """Writes `audit.json`.

    Args:
        audit_dir: An existing folder.
        content: At least `verdict`, `reasons`, `split_hash` and `models` as
            `read_verdict` reads them; JSON-able.
    """
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **content}
    write_json(audit_dir / AUDIT_FILE, document)


def read_verdict(audit_dir: Path) -> AuditVerdict:
    """Reads the verdict of a finished audit.

    Args:
        audit_dir: Folder that `gastritis-gan audit` has written.

    Raises:
        InputError: The folder is no audit, or its `audit.json` is damaged or of another
            version.
    """
    path = audit_dir / AUDIT_FILE
    if not path.is_file():
        raise InputError(
            f"{audit_dir} is not a finished audit: it has no {AUDIT_FILE}. Make one "
            "with `gastritis-gan audit`."
        )
    document = read_json(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path} does not describe an audit.")
    if document.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {document.get('format_version')}; this program "
            f"reads version {FORMAT_VERSION}. Repeat the audit with this program."
        )
    try:
        verdict = AuditVerdict(
            verdict=document["verdict"],
            reasons=tuple(document["reasons"]),
            split_hash=document["split_hash"],
            models=tuple(
                AuditedModel(
                    name=model["name"],
                    version=model["version"],
                    model_hash=model["model_hash"],
                )
                for model in document["models"]
            ),
            sha256=sha256_of_file(path),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {error}). Repeat the audit."
        ) from None
    if verdict.verdict not in typing.get_args(Verdict):
        raise InputError(
            f"{path} is damaged (verdict {verdict.verdict!r}). Repeat the audit."
        )
    return verdict


_ORDER: tuple[Verdict, ...] = ("pass", "undecided", "fail")


@dataclasses.dataclass(frozen=True)
class Decision:
    """What one test says.

    Attributes:
        test: What was tested.
        verdict: "pass", "fail" or "undecided".
        reason: One sentence with the figure that decided and, if undecided, what would
            decide it.
    """

    test: str
    verdict: Verdict
    reason: str


def overall(decisions: Iterable[Decision]) -> Verdict:
    """Returns the worst verdict: fail before undecided before pass."""
    return max((decision.verdict for decision in decisions), key=_ORDER.index)


def decide_memorisation(
    spaces: Sequence[SpaceFindings], *, min_power: float, max_copy_rate: float
) -> list[Decision]:
    """Fails for an exposed patient; passes when copies would have been noticed.

    Args:
        spaces: At least one. A copy has to be noticed in one of them. Those that notice
            hardly any planted copy cannot fail.
        min_power: Share of the planted copies that has to be noticed.
        max_copy_rate: Copies per sample that may remain possible.
    """
    failures = [
        Decision(f"memorisation, {space.name}", "fail", _exposed(space))
        for space in spaces
        if space.decides and space.exposure.exposed.any()
    ]
    if failures:
        return failures
    power = joint_power(list(spaces))
    num_samples = len(spaces[0].scores)
    if power < min_power:
        return [
            Decision(
                "memorisation",
                "undecided",
                f"Only {power:.0%} of the planted copies were noticed (at least "
                f"{min_power:.0%} have to be), {_remedy(spaces)}.",
            )
        ]
    bound = joint_copy_rate_bound(list(spaces))
    if bound > max_copy_rate:
        return [
            Decision(
                "memorisation",
                "undecided",
                f"No copy among {num_samples} samples leaves up to {bound:.2%} copies "
                f"possible (at most {max_copy_rate:.2%} may be): at least "
                f"{samples_needed(max_copy_rate, power)} samples would be needed.",
            )
        ]
    return [
        Decision(
            "memorisation",
            "pass",
            f"No copy among {num_samples} samples, while {power:.0%} of the planted "
            f"copies were noticed: at most {bound:.2%} of samples are copies.",
        )
    ]


def _exposed(space: SpaceFindings) -> str:
    exposure = space.exposure
    exposed = exposure.exposure[exposure.exposed]
    held_out = exposure.exposure[~space.is_training].max()
    return (
        f"{len(exposed)} of {space.is_training.sum()} training patients are matched by "
        f"{space.num_copies} of {len(space.scores)} samples more closely than the "
        f"held-out patients allow: they stand out by up to {exposed.max():.1f}, "
        f"held-out patients by up to {held_out:.1f}, and the threshold is "
        f"{exposure.threshold:.1f}."
    )


def _remedy(spaces: Sequence[SpaceFindings]) -> str:
    """Says why planted copies were overlooked, and what would help."""
    spoilt = max(space.num_held_out_exposed for space in spaces)
    if spoilt:
        return (
            f"because held-out patients ({spoilt}) are matched more closely than the "
            "training patients allow, so they cannot say what is usual: the generator "
            "has seen them, or they are training patients under another number"
        )
    needed = min(
        (space.patients_needed for space in spaces if space.patients_needed),
        default=None,
    )
    if needed is None:
        return "and more patients would not help: the images are too alike at this size"
    return f"and about {needed} patients of each group would be needed"


def decide_membership(
    attack: str,
    found: Membership,
    control: Membership | None,
    *,
    alpha: float,
    max_auc: float,
) -> Decision:
    """Fails for a sure and strong attack; passes for one that is surely weak.

    Args:
        attack: Its name.
        found: Training against held-out patients.
        control: Held-out against held-out patients.
        alpha: Probability of a false alarm of this attack.
        max_auc: AUC that is tolerated.
    """
    test = f"membership, {attack}"
    auc = f"{found.auc.value:.2f} ({found.auc.low:.2f}-{found.auc.high:.2f})"
    if control is not None and control.p_value < alpha:
        return Decision(
            test,
            "undecided",
            f"The control is not at chance (AUC {control.auc.value:.2f}): the held-out "
            "patients are no uniform group.",
        )
    if found.p_value < alpha and found.auc.value > max_auc:
        return Decision(
            test,
            "fail",
            f"Training patients are told from others with an AUC of {auc}; "
            f"{max_auc} is tolerated.",
        )
    if found.auc_bound <= max_auc:
        return Decision(
            test,
            "pass",
            f"The AUC is {auc}, with 95 % confidence at most {found.auc_bound:.2f}; "
            f"{max_auc} is tolerated.",
        )
    in_truth = max(found.auc.value, 0.5)
    if in_truth < max_auc:
        needed = f"at this AUC about {membership_patients_needed(max_auc, in_truth)}"
    else:
        needed = (
            "at this AUC no number of patients would pass, at chance about "
            f"{membership_patients_needed(max_auc)}"
        )
    if found.p_value < alpha:
        finding = f"surely above chance, and not surely below {max_auc}"
    else:
        finding = f"neither surely below {max_auc} nor surely above chance"
    return Decision(
        test,
        "undecided",
        f"The AUC is {auc}, {finding}; {needed} patients of each group would be "
        "needed.",
    )
