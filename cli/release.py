"""`gastritis-gan release`: samples that can be given away, and what explains them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gastritis_gan.errors import InputError

from .options import PATH

if TYPE_CHECKING:
    from gastritis_gan.releases.release_part import ReleasePart


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder to make.")
@click.option(
    "--per-class",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images of each class, shared out evenly to the class's models.",
)
@click.option(
    "--count",
    "counts",
    multiple=True,
    metavar="NAME=N",
    help="Images of one model, instead of --per-class; then one for every model.",
)
@click.option(
    "--paper-mix",
    is_flag=True,
    help="The paper's best mix: half LC-PGGAN, half PGGAN, for each class. Other "
    "MODELs are left out.",
)
@click.option(
    "--format",
    "image_format",
    default="png",
    show_default=True,
    type=click.Choice(["png", "tfrecord", "dicom"]),
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**62),
    help="Seed of the first image; every image has one of its own.",
)
@click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Variety of the images: 1 as trained, 0 the same image for every seed.",
)
@click.option(
    "--audit",
    "audit_dir",
    type=PATH,
    help="Folder of the privacy audit of exactly these models; it must have passed.",
)
@click.option(
    "--accept-risk",
    metavar="REASON",
    help="Release without a passing audit; the datasheet will say why.",
)
@click.option(
    "--results",
    "results_dir",
    type=PATH,
    help="Folder that `gan-train` wrote on these models; its table goes into the "
    "datasheet.",
)
@click.option("--title", default="Synthetic gastric radiographs", show_default=True)
@click.option("--licence", default="", help="Such as CC-BY-4.0; none by default.")
def release(
    models: Sequence[Path],
    out: Path,
    per_class: int,
    counts: Sequence[str],
    paper_mix: bool,
    image_format: str,
    seed: int,
    truncation: float,
    audit_dir: Path | None,
    accept_risk: str | None,
    results_dir: Path | None,
    title: str,
    licence: str,
) -> None:
    """Gather samples of exported MODELs into a folder that can be published.

    A MODEL is exported/NAME, exported/NAME/1, or a folder of models such as exported/.
    Writes the images with their labels, equally many of each class, manifest.csv,
    DATASHEET.md, release.json, sheet.png and SHA256SUMS. Without a passing privacy
    audit it refuses.

    \b
    Examples:
      gastritis-gan release exported/ --paper-mix --per-class 5000 \\
        --audit audits/phantom --licence CC-BY-4.0 --out releases/phantom
      gastritis-gan release exported/lc_positive exported/lc_negative \\
        --format dicom --accept-risk "artificial cohort" --out releases/phantom_dicom
    """
    from gastritis_gan.releases.release_facts import ReleaseFacts
    from gastritis_gan.storage import refuse_existing

    refuse_existing(out)
    parts = _parts(models, per_class, counts, paper_mix=paper_mix, seed=seed)
    audit = None if audit_dir is None else _read_audit(audit_dir, parts)
    _check_risk(audit, accept_risk)
    options: dict[str, Any] = {
        "format": image_format,
        "seed": seed,
        "truncation": truncation,
        "audit": audit_dir and Path("audits") / audit_dir.name,
        "accept-risk": accept_risk,
        "results": results_dir and Path("results") / results_dir.name,
        "title": title,
        "licence": licence or None,
        "out": Path("releases") / out.name,
    }
    facts = ReleaseFacts(
        title=title,
        licence=licence,
        command=_command(parts, options),
        audit=audit,
        accepted_risk=accept_risk,
        table=None if results_dir is None else _read_table(results_dir, parts),
    )

    from gastritis_gan.releases.write_release import write_release

    write_release(parts, out, facts, image_format=image_format, truncation=truncation)
    total = sum(part.count for part in parts)
    click.echo(
        f"Released {total} images of {len(parts)} models.\n"
        f"Folder:     {out}\n"
        f"Datasheet:  {out / 'DATASHEET.md'}\n"
        f"At a glance:  {out / 'sheet.png'}"
    )


def _parts(
    models: Sequence[Path],
    per_class: int,
    counts: Sequence[str],
    *,
    paper_mix: bool,
    seed: int,
) -> list[ReleasePart]:
    from gastritis_gan.releases.release_part import (
        balanced_counts,
        keep_paper_mix,
        read_models,
        release_parts,
    )
    from gastritis_gan.serving.layout import find_version, highest_versions

    folders = [highest_versions(path) or [find_version(path)] for path in models]
    cards = read_models([folder for found in folders for folder in found])
    if paper_mix:
        cards = keep_paper_mix(cards)
    if counts:
        shares = _parse_counts(counts, cards)
    else:
        shares = balanced_counts(cards, per_class=per_class)
    return release_parts(cards, shares, seed=seed)


def _parse_counts(
    options: Sequence[str], cards: Mapping[Path, Mapping[str, Any]]
) -> dict[Path, int]:
    counts = {}
    for option in options:
        name, _, number = option.rpartition("=")
        if not name or not number.isdecimal() or int(number) < 1:
            raise InputError(f"--count {option!r} cannot be read; write NAME=100.")
        counts[name] = int(number)
    names = [card["name"] for card in cards.values()]
    if sorted(counts) != sorted(names):
        raise InputError(
            f"--count must be given once for each of {', '.join(sorted(names))}; it "
            f"was for {', '.join(sorted(counts))}."
        )
    return {folder: counts[card["name"]] for folder, card in cards.items()}


def _read_audit(audit_dir: Path, parts: Sequence[ReleasePart]) -> dict[str, Any]:
    """Returns the verdict of an audit.

    Raises:
        InputError: The audit is of other models or of another split, or it is not the
            one that the models' cards name.
    """
    from gastritis_gan.privacy.verdict import read_verdict

    verdict = read_verdict(audit_dir)
    audited = {
        (model.name, model.version, model.model_hash) for model in verdict.models
    }
    released = {
        (part.card["name"], int(part.card["version"]), part.model_hash)
        for part in parts
    }
    if audited != released:
        differing = {f"{name}/{version}" for name, version, _ in audited ^ released}
        raise InputError(
            f"{audit_dir} is not the audit of exactly these models (it differs in "
            f"{', '.join(sorted(differing))}); audit the models that you release."
        )
    split_hash = parts[0].card.get("split_hash")
    if verdict.split_hash != split_hash:
        raise InputError(
            f"{audit_dir} audited the split {verdict.split_hash}, and the models were "
            f"trained on {split_hash}; audit them with their own store."
        )
    for part in parts:
        if part.card.get("audit", {}).get("sha256") != verdict.sha256:
            raise InputError(
                f"{audit_dir} is not the audit that the card of {part.origin} names: "
                "audit.json was changed since, or the model was audited again; repeat "
                "the audit of these models."
            )
    return {
        "verdict": verdict.verdict,
        "reasons": list(verdict.reasons),
        "sha256": verdict.sha256,
    }


def _check_risk(audit: Mapping[str, Any] | None, accepted_risk: str | None) -> None:
    if accepted_risk is not None and not accepted_risk.strip():
        raise InputError("--accept-risk needs a reason; the datasheet will quote it.")
    if accepted_risk is not None or (audit and audit["verdict"] == "pass"):
        return
    found = f"the audit's verdict is '{audit['verdict']}'" if audit else "there is none"
    raise InputError(
        f"a release needs a passing privacy audit of its models, and {found}; give one "
        'with --audit, or --accept-risk "REASON", which the datasheet will quote.'
    )


def _read_table(results_dir: Path, parts: Sequence[ReleasePart]) -> str:
    """Returns the table of `gan-train`.

    Raises:
        InputError: There is none, or it is about other models.
    """
    from gastritis_gan.storage import read_json

    results = read_json(results_dir / "results.json")
    try:
        measured = {
            (card["name"], card["version"]): card["files"]
            for card in results["generators"]
        }
        table = (results_dir / "table.md").read_text(encoding="utf-8")
    except (KeyError, TypeError, OSError) as error:
        raise InputError(
            f"{results_dir} does not hold what `gan-train` writes ({error})."
        ) from error
    for part in parts:
        key = (part.card["name"], part.card["version"])
        if measured.get(key) != part.card["files"]:
            raise InputError(
                f"{results_dir} did not measure {part.origin}; repeat `gan-train` with "
                "the models that you release."
            )
    return table


def _command(parts: Sequence[ReleasePart], options: Mapping[str, Any]) -> str:
    """Returns what makes the release again, without this machine's paths."""
    words = ["gastritis-gan", "release"]
    words += [f"exported/{part.origin}" for part in parts]
    for part in parts:
        words += ["--count", f"{part.card['name']}={part.count}"]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words)
