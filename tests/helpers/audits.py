"""Finished audits without the hours: the smallest documents that are whole."""

import hashlib
import json
from pathlib import Path

from gastritis_gan.privacy.verdict import write_audit
from gastritis_gan.serving.model_folder import add_audit, card_hash

REASON = "no training patch is nearer than the test patches"
DATE = "2026-11-30T08:00:00+00:00"
VERSIONS = ("small/1", "other/1")


def read_card(version: Path) -> dict:
    return json.loads((version / "assets.extra" / "model_card.json").read_text())


def change_card(version: Path, **changes) -> None:
    path = version / "assets.extra" / "model_card.json"
    path.write_text(json.dumps(read_card(version) | changes))


def document(cards, verdict="pass", *, reason=REASON, **changes) -> dict:
    """Returns what `audit.json` holds of models with these cards."""
    models = [
        {"name": c["name"], "version": c["version"], "model_hash": c["model_hash"]}
        for c in cards
    ]
    generators = [
        {
            **model,
            "verdict": verdict,
            "samples": 10_000,
            "decisions": [
                {"test": "memorisation", "verdict": verdict, "reason": reason},
                {"test": "close matches", "verdict": "pass", "reason": "few"},
                {"test": "membership, latents", "verdict": "pass", "reason": "weak"},
            ],
            "attacks": [{"name": "latents", "decides": True}],
            "memorisation": {"power": 1.0},
            "close_matches": {"p_value": 0.5},
        }
        for model in models
    ]
    return {
        "verdict": verdict,
        "reasons": [
            f"{g['name']}, version {g['version']}, {d['test']}: {d['reason']}"
            for g in generators
            for d in g["decisions"]
            if d["verdict"] == verdict
        ],
        "settings": {},
        "split_hash": cards[0]["split_hash"],
        "models": [
            {**m, "card_hash": card_hash(c), "num_seeds": 10_000, "earlier_audits": []}
            for m, c in zip(models, cards, strict=True)
        ],
        "date": DATE,
        "generators": generators,
        **changes,
    }


def make_audit(
    folder: Path,
    exported: Path,
    verdict="pass",
    *,
    key=None,
    versions=VERSIONS,
    **changes,
) -> Path:
    """Writes an audit of exported models, and records it in their cards."""
    folder.mkdir()
    (folder / "report.html").write_text("<p>The page.</p>")
    cards = [read_card(exported / version) for version in versions]
    content = document(cards, verdict, **changes)
    write_audit(folder, content, key=key)
    for version, card in zip(versions, cards, strict=True):
        add_audit(exported / version, entry_of(folder), audited=card)
    return folder


def entry_of(folder: Path) -> dict:
    """Returns how a card records the audit in a folder."""
    content = (folder / "audit.json").read_bytes()
    return {
        "verdict": json.loads(content)["verdict"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "date": DATE,
    }
