"""One self-contained page of an audit: verdict, figures, closest pairs."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gastritis_gan.privacy.generator_audit import GeneratorFindings
from gastritis_gan.privacy.html_parts import bullets, heading, paragraph, table
from gastritis_gan.privacy.report_sections import (
    linkage_section,
    membership_section,
    memorisation_section,
    pairs_section,
)
from gastritis_gan.storage import write_bytes
from gastritis_gan.store.store import Store

REPORT_FILE = "report.html"
FIGURES_FOLDER = "figures"

_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
td, th { border-bottom: 1px solid #ccc; padding: .2em .8em .2em 0; text-align: left;
  vertical-align: top; }
img { max-width: 100%; }
.warning { border: 2px solid #b00; padding: .5em 1em; }
.pass { color: #070; } .fail { color: #b00; } .undecided { color: #a60; }
"""
_WARNING = (
    "This page shows patches of training patients. It belongs inside the hospital: "
    "never publish it, and never put it into a release."
)
_MEANING = {
    "pass": "No sample matches a training patient more closely than strangers are "
    "matched, known copies that were slipped in were noticed, and no attack tells who "
    "was in the training. The audit gives no reason against a release. It is a "
    "measurement, and no proof.",
    "fail": "At least one test found more than harmless generators show. Do not "
    "release these models or their samples: train others, on more patients or for a "
    "shorter time, and audit those.",
    "undecided": "No test failed, but at least one could not have noticed a leak, or "
    "could not tell it from chance. That is no pass. Each reason says what would be "
    "needed: more patients of each group, more samples, or other images.",
}


def write_report(
    folder: Path,
    document: dict[str, Any],
    findings: Sequence[GeneratorFindings],
    store: Store,
) -> None:
    """Writes `report.html` and `figures/*.png`.

    Args:
        folder: An existing folder.
        document: What `audit.json` holds.
        findings: What it was made of.
        store: The audited store.
    """
    (folder / FIGURES_FOLDER).mkdir()
    verdict = document["verdict"]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Privacy audit'
        f"</title><style>{_STYLE}</style>",
        f'<h1>Privacy audit: <span class="{verdict}">{verdict}</span></h1>',
        paragraph(_WARNING, "warning"),
        paragraph(_MEANING[verdict]),
        bullets(document["reasons"]),
        *_tolerance(document),
    ]
    for found, facts in zip(findings, document["generators"], strict=True):
        parts += _generator(found, facts, store, folder / FIGURES_FOLDER)
    write_bytes(folder / REPORT_FILE, "\n".join([*parts, "</html>\n"]).encode())


def _tolerance(document: dict[str, Any]) -> list[str]:
    settings = document["settings"]
    rows = [
        (
            "false alarms",
            f"{settings['false_alarm_rate']:.1%} of harmless sets of generators fail, "
            f"over all tests together; {document['alpha_per_test']:.2%} in each test",
        ),
        (
            "copies",
            f"at most {settings['max_copy_rate']:.2%} of the samples may remain "
            "possible",
        ),
        (
            "power",
            f"at least {settings['min_power']:.0%} of the planted copies have to be "
            "noticed",
        ),
        (
            "membership",
            f"an attacker's AUC may be up to {settings['max_membership_auc']} "
            "(0.5 is chance, 1 is certainty)",
        ),
    ]
    return [
        heading(2, "What was tolerated"),
        table(("threshold", "value"), rows),
        paragraph(
            "These are settings of the config's section audit; docs/privacy.md has "
            f"their reasons. Split {document['split_hash'][:12]}, seed "
            f"{settings['seed']}, {document['run_seconds']:.0f} seconds."
        ),
    ]


def _generator(
    found: GeneratorFindings, facts: dict[str, Any], store: Store, figures: Path
) -> list[str]:
    patients = facts["patients"]
    rows = "\n".join(
        f"<tr><td>{html.escape(d['test'])}</td>"
        f'<td class="{d["verdict"]}">{d["verdict"]}</td>'
        f"<td>{html.escape(d['reason'])}</td></tr>"
        for d in facts["decisions"]
    )
    parts = [
        heading(2, f"{facts['name']}, version {facts['version']}"),
        paragraph(
            f"{facts['samples']:,} samples of the seeds from 0 on "
            f"({facts['flat_samples']:,} without texture), compared at "
            f"{facts['compared_resolution']} pixels with {patients['images']} images "
            f"of {patients['training']} training and {patients['held_out']} held-out "
            f"patients of the class {getattr(store, facts['label'])}. Model "
            f"{facts['model_hash'][:12]}."
        ),
        f"<table><tr><th>test</th><th>verdict</th><th>reason</th></tr>\n{rows}</table>",
    ]
    if found.spaces:
        parts += memorisation_section(found, facts)
        parts += pairs_section(found, store, figures)
        parts += membership_section(found, facts["attacks"])
        parts += linkage_section(facts["linkage"])
    return parts
