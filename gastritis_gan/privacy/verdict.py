"""What an audit decided, as `audit.json` in its folder holds it."""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.errors import InputError
from gastritis_gan.storage import DocumentFormat, sha256_of_file

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
    try:
        result = AuditResult(
            path=audit_dir,
            verdict=document["verdict"],
            reasons=tuple(document["reasons"]),
            split_hash=document["split_hash"],
            models=tuple(AuditedModel(**model) for model in document["models"]),
            sha256=sha256_of_file(path),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}: {error}). Repeat the audit."
        ) from None
    if result.verdict not in typing.get_args(Verdict):
        raise InputError(
            f"{path} is damaged (verdict {result.verdict!r}). Repeat the audit."
        )
    return result
