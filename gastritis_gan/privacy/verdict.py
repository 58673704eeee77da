"""What an audit decided, as `audit.json` in its folder holds it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import check_model_name
from gastritis_gan.storage import (
    DocumentFormat,
    refused_if_damaged,
    sha256_of_file,
)
from gastritis_gan.typed_config import from_plain

AUDIT_FILE = "audit.json"
REPORT_FILE = "report.html"

Verdict = Literal["pass", "fail", "undecided"]

_FORMAT = DocumentFormat(
    "gastritis-gan audit", 1, "Repeat the audit with this program."
)


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


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class AuditResult:
    """The decision of a finished audit and what it is about.

    Attributes:
        path: Folder of the audit.
        verdict: "pass", "fail" or "undecided".
        reasons: A sentence for each finding that decided.
        split_hash: Of the store.
        models: Exactly the models that were examined.
        sha256: Of `audit.json`, 64 hexadecimal digits.
    """

    path: Path
    verdict: Verdict
    reasons: tuple[str, ...]
    split_hash: str
    models: tuple[AuditedModel, ...]
    sha256: str

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.path / REPORT_FILE

    @property
    def metrics(self) -> Path:
        """The same as JSON."""
        return self.path / AUDIT_FILE

    def __repr__(self) -> str:
        names = ", ".join(f"{model.name} {model.version}" for model in self.models)
        return f"<AuditResult {self.verdict}: {names}, in {self.path}>"


@dataclasses.dataclass(frozen=True)
class _Decided:
    """What `audit.json` has for `AuditResult`."""

    verdict: Verdict
    reasons: tuple[str, ...]
    split_hash: str
    models: tuple[AuditedModel, ...]


def write_audit(audit_dir: Path, content: Mapping[str, Any]) -> None:
    """Writes `audit.json`.

    Args:
        audit_dir: An existing folder.
        content: At least `verdict`, `reasons`, `split_hash` and `models` as
            `read_verdict` reads them; JSON-able.
    """
    _FORMAT.write(audit_dir / AUDIT_FILE, content)


def read_verdict(audit_dir: str | os.PathLike[str]) -> AuditResult:
    """Reads the verdict of a finished audit.

    Args:
        audit_dir: Folder that `gastritis-gan audit` has written.

    Raises:
        InputError: The folder is not an audit, or its `audit.json` is damaged or of
            another version.
    """
    audit_dir = Path(audit_dir)
    path = audit_dir / AUDIT_FILE
    if not path.is_file():
        raise InputError(
            f"{audit_dir} is not a finished audit: it has no {AUDIT_FILE}. Make one "
            "with `gastritis-gan audit`."
        )
    document = _FORMAT.read(path)
    keys = ("verdict", "reasons", "split_hash", "models")
    with refused_if_damaged(path, "Repeat the audit."):
        try:
            decided = from_plain(_Decided, {key: document[key] for key in keys})
            for model in decided.models:
                check_model_name(model.name)
        except InputError as error:
            raise ValueError(str(error)) from None
        return AuditResult(path=audit_dir, sha256=sha256_of_file(path), **vars(decided))
