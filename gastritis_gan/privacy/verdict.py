"""What an audit decided, as `audit.json` in its folder holds it."""

from __future__ import annotations

import dataclasses
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.digest import filled, text_table
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.serving.model_folder import check_model_name
from gastritis_gan.storage import (
    DocumentFormat,
    read_json,
    refused_if_damaged,
    sha256_of_file,
)
from gastritis_gan.store.pseudonym import seal
from gastritis_gan.typed_config import from_plain, to_plain

AUDIT_FILE = "audit.json"
REPORT_FILE = "report.html"

Verdict = Literal["pass", "fail", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("pass", "undecided", "fail")
"""From the best to the worst."""

Seal = Literal["checked", "not checked", "absent"]
"""Whether an audit was found to be sealed with its store's key; "not checked" without
the key, "absent" where the audit was made without it."""

_FORMAT = DocumentFormat(
    "gastritis-gan audit", 2, "Repeat the audit with this program."
)
_SEALED = "audit"  # the domain of the seal
_AGAIN = "Repeat the audit."
SENTENCES = {
    "pass": "No sign that these models give a training patient away: no sample is a "
    "copy of the kinds that the audit notices, and no attack recognises who was in the "
    "training.",
    "fail": "These models give training patients away: at least one test found more "
    "than harmless models show.",
    "undecided": "No leak was found, but at least one test could not have found one: "
    "this is not a pass.",
}
_TESTS_BY_KEY = {  # of a generator in `audit.json`
    "memorisation": "memorisation",
    "memorisation of the other class": "other_class",
    "close matches": "close_matches",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedAudit:
    """An audit as a model's card records it.

    Attributes:
        verdict: "pass", "fail" or "undecided".
        sha256: Of its `audit.json`.
        date: When it ended, in UTC.
    """

    verdict: Verdict
    sha256: str
    date: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditedModel:
    """An exported model as an audit names it.

    Attributes:
        name: Of the exported model.
        version: Of the exported model.
        model_hash: Of its graph and weights, `serving.model_folder.model_hash`.
    """

    name: str
    version: int
    model_hash: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExaminedModel(AuditedModel):
    """An exported model and what an audit has examined of it.

    Attributes:
        card_hash: Of its card, `serving.model_folder.card_hash`: class, split, training
            and every file.
        num_seeds: Number of samples that were examined: those of the seeds from 0 on,
            at truncation 1.
        earlier_audits: What its card had before, the oldest first.
    """

    card_hash: str
    num_seeds: int
    earlier_audits: tuple[RecordedAudit, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class AuditResult:
    """The decision of a finished audit and what it is about.

    Attributes:
        path: Folder of the audit.
        verdict: "pass", "fail" or "undecided".
        reasons: A sentence for each finding that decided.
        tests: What was tested, a name for each test.
        settings: Effort, thresholds and seed.
        split_hash: Of the store.
        models: Exactly the models that were examined.
        date: When it ended, in UTC.
        sha256: Of `audit.json`, 64 hexadecimal digits.
        seal: Whether it is known to be the work of somebody with the store's key.
    """

    path: Path
    verdict: Verdict
    reasons: tuple[str, ...]
    tests: tuple[str, ...]
    settings: AuditSettings
    split_hash: str
    models: tuple[ExaminedModel, ...]
    date: str
    sha256: str
    seal: Seal

    @property
    def report(self) -> Path:
        """The page to read."""
        return self.path / REPORT_FILE

    @property
    def metrics(self) -> Path:
        """The same as JSON."""
        return self.path / AUDIT_FILE

    @property
    def digest(self) -> str:
        """A table of all verdicts and a conclusion, for a terminal."""
        return _digest(read_json(self.metrics)["generators"], self.verdict)

    @property
    def deviations(self) -> tuple[str, ...]:
        """The settings that are not the defaults, such as "min_power 0.5, not 0.8"."""
        return deviations(self.settings)

    def __repr__(self) -> str:
        names = ", ".join(f"{model.name} {model.version}" for model in self.models)
        return f"<AuditResult {self.verdict}: {names}, in {self.path}>"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Returns the worst of at least one verdict."""
    return max(verdicts, key=VERDICTS.index)


def deviations(settings: AuditSettings) -> tuple[str, ...]:
    """Returns how settings differ from the defaults, a phrase for each key."""
    default = to_plain(AuditSettings())
    return tuple(
        f"{key} {_shown(value)}, not {_shown(default[key])}"
        for key, value in to_plain(settings).items()
        if value != default[key]
    )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def reasons_of(generators: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns a sentence for each test that has the verdict of the whole audit.

    Args:
        generators: The audits of the generators as `audit.json` holds them.
    """
    verdict = worst(d["verdict"] for g in generators for d in g["decisions"])
    return tuple(
        f"{generator['name']}, version {generator['version']}, {decision['test']}: "
        f"{decision['reason']}"
        for generator in generators
        for decision in generator["decisions"]
        if decision["verdict"] == verdict
    )


def _digest(generators: Sequence[Mapping[str, Any]], verdict: Verdict) -> str:
    """Returns the verdicts, a line a model, what they mean, and a reason."""
    found: dict[str, dict[str, Verdict]] = {}  # by kind of test and by model
    for generator in generators:
        model = f"{generator['name']}/{generator['version']}"
        for decision in generator["decisions"]:
            kind = decision["test"].partition(", ")[0].removeprefix("memorisation of ")
            of_kind = found.setdefault(kind, {})
            of_kind[model] = worst([of_kind.get(model, "pass"), decision["verdict"]])
    models = dict.fromkeys(model for of_kind in found.values() for model in of_kind)
    rows = [
        [model, *(of_kind.get(model, "") for of_kind in found.values())]
        for model in models
    ]
    lines = [text_table(["model", *found], rows), ""]
    lines.append(filled(f"Verdict: {verdict.upper()}. {SENTENCES[verdict]}"))
    if verdict != "pass":
        reasons = reasons_of(generators)
        lines.append(filled(f"Reason 1 of {len(reasons)}: {reasons[0]}"))
    return "\n".join(lines)


def write_audit(
    audit_dir: Path, content: Mapping[str, Any], *, key: bytes | None
) -> None:
    """Writes `audit.json`, sealed if there is a key.

    Args:
        audit_dir: A folder that holds `report.html`.
        content: As docs/audit-format.md describes it, without the hash of the report
            and the seal; JSON-able.
        key: The store's.
    """
    report = {"report_sha256": sha256_of_file(audit_dir / REPORT_FILE)}
    document = {**_FORMAT.head(), **content, **report}
    hmac_of_it = None if key is None else seal(key, _SEALED, document)
    _FORMAT.write(audit_dir / AUDIT_FILE, {**document, "seal": hmac_of_it})


def read_verdict(
    audit_dir: str | os.PathLike[str], *, key: bytes | None = None
) -> AuditResult:
    """Reads a finished audit, and decides again from its decisions.

    Args:
        audit_dir: Folder that `gastritis-gan audit` has written.
        key: Of the audited store. With it, only an audit that was sealed with it is
            read; without it, the result says that the seal was not checked.

    Raises:
        InputError: The folder is not an audit; its `audit.json` is damaged, contradicts
            itself or is of another version; its report is not the one that was made
            with it; or it does not have the seal of the key.
    """
    audit_dir = Path(audit_dir)
    path = audit_dir / AUDIT_FILE
    if not path.is_file():
        raise InputError(
            f"{audit_dir} is not a finished audit: it has no {AUDIT_FILE}. Make one "
            "with `gastritis-gan audit`."
        )
    document, sha256 = _FORMAT.read_hashed(path)
    with refused_if_damaged(path, _AGAIN):
        try:
            result = _decide_again(audit_dir, document, sha256)
        except InputError as error:
            raise ValueError(str(error)) from None
    report = result.report
    if not report.is_file() or sha256_of_file(report) != document["report_sha256"]:
        raise InputError(f"{report} is not the page that the audit wrote. {_AGAIN}")
    stated = document.pop("seal", None)
    if key is None:
        return dataclasses.replace(result, seal="not checked" if stated else "absent")
    expected = seal(key, _SEALED, document)
    if not hmac.compare_digest(str(stated).encode(), expected.encode()):
        raise InputError(
            f"{path} does not have the seal of this key: it was changed, or made with "
            "another key or without one; repeat the audit with this --key-file."
        )
    return result


@dataclasses.dataclass(frozen=True)
class _Test:
    """A decision as `audit.json` holds it."""

    test: str
    verdict: Verdict
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Examined:
    """What `audit.json` has for each generator and its decisions."""

    name: str
    version: int
    model_hash: str
    verdict: Verdict
    samples: int
    decisions: tuple[_Test, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Stated:
    """What `audit.json` states beside the generators."""

    verdict: Verdict
    reasons: tuple[str, ...]
    settings: AuditSettings
    split_hash: str
    models: tuple[ExaminedModel, ...]
    date: str


def _decide_again(
    audit_dir: Path, document: Mapping[str, Any], sha256: str
) -> AuditResult:
    """Returns an audit whose verdict follows from its decisions.

    Raises:
        InputError: A key has a wrong type.
        ValueError: The audit contradicts itself.
    """
    keys = [field.name for field in dataclasses.fields(_Stated)]
    stated: _Stated = from_plain(_Stated, {key: document[key] for key in keys})
    examined = [_examined(generator) for generator in document["generators"]]
    for model in stated.models:
        check_model_name(model.name)
    if [(m.name, m.version, m.model_hash, m.num_seeds) for m in stated.models] != [
        (g.name, g.version, g.model_hash, g.samples) for g in examined
    ]:
        raise ValueError("its models are not its generators")
    verdict = worst(generator.verdict for generator in examined)
    least = stated.settings.samples_per_generator if verdict == "pass" else 0
    if any(model.num_seeds < least for model in stated.models):
        raise ValueError("it examined fewer samples than its settings ask for")
    reasons = reasons_of(document["generators"])
    if (stated.verdict, stated.reasons) != (verdict, reasons):
        raise ValueError(
            f"it states '{stated.verdict}', and its decisions give '{verdict}'"
        )
    if not "".join(reasons).isprintable():
        raise ValueError("its reasons hold letters that cannot be printed")
    tests = [test.test for generator in examined for test in generator.decisions]
    return AuditResult(
        path=audit_dir,
        sha256=sha256,
        tests=tuple(dict.fromkeys(tests)),
        seal="checked",
        **vars(stated),
    )


def _examined(generator: Mapping[str, Any]) -> _Examined:
    """Returns a generator of `audit.json`.

    Raises:
        InputError: A key has a wrong type.
        ValueError: Its verdict does not follow from its decisions, or a test that it
            made did not decide.
    """
    keys = [field.name for field in dataclasses.fields(_Examined)]
    examined: _Examined = from_plain(_Examined, {key: generator[key] for key in keys})
    attacks = [a["name"] for a in generator["attacks"] if a["decides"]]
    made = [
        *(test for test, key in _TESTS_BY_KEY.items() if generator.get(key)),
        *(f"membership, {name}" for name in attacks),
    ]
    for test in made:  # "memorisation, pixels" is a decision on "memorisation"
        decided = [d.test for d in examined.decisions]
        if not any(d == test or d.startswith(f"{test}, ") for d in decided):
            raise ValueError(f"it has no decision on the {test} of {examined.name}")
    is_tested = "memorisation" in made and attacks
    if examined.verdict == "pass" and not is_tested:
        raise ValueError(f"{examined.name} passed without being tested")
    if examined.verdict != worst(test.verdict for test in examined.decisions):
        raise ValueError(
            f"it states '{examined.verdict}' of {examined.name}, and its decisions "
            "differ"
        )
    return examined
