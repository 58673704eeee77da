"""What an audit decided, read back from `audits/NAME/audit.json`."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json, sha256_of_file, write_json

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
