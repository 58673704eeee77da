"""The findings of an audit: as `audit.json` holds them, and as one page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from gastritis_gan.evaluation.plots import png_uri, svg_uri
from gastritis_gan.images import SHOWS_PATIENTS, enlarge, image_sheet
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.copies import PLAIN
from gastritis_gan.privacy.decision import overall
from gastritis_gan.privacy.exposure import (
    Exposure,
    SpaceFindings,
    joint_copy_rate_bound,
    joint_power,
)
from gastritis_gan.privacy.generator_audit import GeneratorFindings
from gastritis_gan.privacy.membership import FALSE_POSITIVE_RATES, Attack, Membership
from gastritis_gan.privacy.subjects import GROUPS
from gastritis_gan.privacy.verdict import (
    REPORT_FILE,
    SENTENCES,
    deviations,
    reasons_of,
    worst,
)
from gastritis_gan.privacy.windows import FLIPS, flip_patches, scale_image
from gastritis_gan.stats import roc
from gastritis_gan.storage import write_bytes
from gastritis_gan.store.store import Store
from gastritis_gan.typed_config import from_plain

PAIRS_FOLDER = "closest_pairs"
_NUM_PAIRS = 8
_MIN_SIDE = 96  # of a picture on the page, in pixels
_COLOURS = {"training": "#1b5e9c", "held-out": "#777777", "exposed": "#bb0000"}
_TEMPLATE_FILE = "report.html.j2"


def audit_document(
    findings: Sequence[GeneratorFindings], store: Store
) -> dict[str, Any]:
    """Returns verdict, reasons and all metrics, JSON-able; keys only.

    Args:
        findings: At least one.
        store: The audited store.
    """
    generators = [_generator(found, store) for found in findings]
    return {
        "verdict": worst(generator["verdict"] for generator in generators),
        "reasons": list(reasons_of(generators)),
        "split_hash": store.split_hash,
        "split_given": store.split_given,
        "generators": generators,
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
            "kinds": [
                {
                    "kind": kind,
                    "planted": len(is_noticed),
                    "power": joint_power(found.spaces, kind),
                    "copy_rate_bound": joint_copy_rate_bound(found.spaces, kind),
                }
                for kind, is_noticed in found.spaces[0].is_noticed.items()
            ],
            "spaces": [_space(space) for space in found.spaces],
        },
        "other_class": None
        if not found.other_spaces
        else {
            "patients": {
                "training": int(found.other_cohort.is_training.sum()),
                "held_out": int((~found.other_cohort.is_training).sum()),
                "images": len(found.other_cohort.images),
            },
            "power": joint_power(found.other_spaces),
            "copy_rate_bound": joint_copy_rate_bound(found.other_spaces),
            "spaces": [_space(space) for space in found.other_spaces],
        },
        "close_matches": None
        if found.close is None
        else dataclasses.asdict(found.close),
        "closest_pairs": {
            group: _closest_pairs(found, store, is_training=is_training)
            for group, is_training in GROUPS.items()
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
        "power": float(np.mean(space.is_noticed[PLAIN.kind])),
        "power_of_kinds": {
            kind: float(np.mean(is_noticed))
            for kind, is_noticed in space.is_noticed.items()
        },
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
        "certain": {
            "fpr": found.certain_fpr,
            **dataclasses.asdict(found.certain),
            "p_value": found.certain_p_value,
        },
    }


def _closest_pairs(
    found: GeneratorFindings, store: Store, *, is_training: bool
) -> list[dict[str, Any]]:
    """Returns the closest pair of each of the eight most exposed patients of a group.

    A pair is a sample (`seed`) and the window of a patient's image that it matches best
    in pixels; docs/audit-format.md has the keys.
    """
    cohort, space = found.cohort, found.spaces[0]
    group = np.flatnonzero(cohort.is_training == is_training)
    order = np.argsort(-space.exposure.exposure[group], kind="stable")
    pairs = []
    for patient in group[order[:_NUM_PAIRS]]:
        sample = int(space.scores[:, patient].argmax())
        images = np.flatnonzero(cohort.patient_of_image == patient)
        image = max(images, key=lambda i: found.matches[i].score[sample])
        match = found.matches[image]
        pairs.append(
            {
                "seed": sample,
                "patient": cohort.patients[patient],
                "image": store.images[cohort.images[image]].key,
                "correlation": float(match.score[sample]),
                "score": float(space.scores[sample, patient]),
                "row": float(match.row[sample]),
                "column": float(match.column[sample]),
                "flip": FLIPS[match.flip[sample]],
            }
        )
    return pairs


def write_report(
    folder: Path,
    document: dict[str, Any],
    findings: Sequence[GeneratorFindings],
    store: Store,
) -> None:
    """Writes `report.html` and `closest_pairs/*.png`.

    Args:
        folder: An existing folder.
        document: What `audit.json` holds.
        findings: What it was made of.
        store: The audited store.
    """
    (folder / PAIRS_FOLDER).mkdir()
    pictures = []  # per generator
    for found, described in zip(findings, document["generators"], strict=True):
        model, sheets = found.subject.model, {}
        for group, pairs in described.get("closest_pairs", {}).items():
            name = f"{model.name}-{model.version}-{group.replace('_', '-')}.png"
            sheet = _draw_pairs(pairs, found.samples, store)
            sheet.save(folder / PAIRS_FOLDER / name)
            sheets[group] = png_uri(sheet)
        is_training = found.cohort.is_training
        pictures.append(
            {
                "pairs": sheets,
                "spaces": [
                    (space.name, _plot_exposure(space.exposure, is_training))
                    for space in found.spaces
                ],
                "attacks": [
                    (attack.name, _plot_roc(attack.scores, is_training))
                    for attack in found.attacks
                ],
            }
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(_TEMPLATE_FILE).render(
        audit=document,
        generators=list(zip(document["generators"], pictures, strict=True)),
        class_names={"positive": store.positive, "negative": store.negative},
        data_set={
            "name": store.path.name,
            "images": len(store.images),
            "patients": len({image.patient for image in store.images}),
        },
        sentences=SENTENCES,
        worst=_worst_pair(document, findings, store),
        tested=_tested(document),
        untested=_untested(document),
        earlier=[
            f"{audit['verdict']} on {audit['date'][:10]}"
            for model in document["models"]
            for audit in model["earlier_audits"]
        ],
        deviations=_deviations(document),
    )
    write_bytes(folder / REPORT_FILE, page.encode())


def _worst_pair(
    document: dict[str, Any],
    findings: Sequence[GeneratorFindings],
    store: Store,
) -> dict[str, Any] | None:
    """Returns the pair of all generators that stands out most, with its picture."""
    pairs = [
        (described["closest_pairs"]["training"][0], found)
        for found, described in zip(findings, document["generators"], strict=True)
        if described.get("closest_pairs", {}).get("training")
    ]
    if not pairs:
        return None
    pair, found = max(pairs, key=lambda pair: pair[0]["score"])
    model = found.subject.model
    picture = _draw_pairs([pair], found.samples, store, columns=2)
    return {
        **pair,
        "model": f"{model.name}/{model.version}",
        "picture": png_uri(picture),
    }


def _tested(document: dict[str, Any]) -> list[str]:
    """Returns phrases on what the audit tried, in words of the first page."""
    generators = document["generators"]
    samples = sorted({f"{generator['samples']:,}" for generator in generators})
    attacks = dict.fromkeys(a["name"] for g in generators for a in g["attacks"])
    lines = [
        f"Copies: {' or '.join(samples)} samples of each model, from seed 0 on, were "
        "compared with every place of the training patients' images; held-out patients "
        "show what is usual.",
    ]
    if all(generator.get("other_class") for generator in generators):
        lines.append("The other class: the same with its training patients.")
    found = [g["memorisation"] for g in generators if "memorisation" in g]
    if found:
        power = min(memorisation["power"] for memorisation in found)
        lines.append(
            f"The audit itself: of training images that were hidden among the samples "
            f"as copies, {power:.0%} were noticed."
        )
    noticed = _kinds(document, is_noticed=True)
    if noticed:
        lines.append(f"Disguises that are noticed: {', '.join(noticed)}.")
    if attacks:
        lines.append(
            "Recognition: can an attacker tell who was in the training, by these "
            f"attacks: {'; '.join(attacks)}."
        )
    return lines


def _untested(document: dict[str, Any]) -> list[str]:
    """Returns phrases on what the audit did not try, or could not see."""
    lines = []
    overlooked = _kinds(document, is_noticed=False)
    if overlooked:
        lines.append(
            "Copies in these disguises can go unnoticed (share that was noticed): "
            f"{', '.join(overlooked)}."
        )
    if not all(generator.get("other_class") for generator in document["generators"]):
        lines.append(
            "Copies of patients of the other class: there are too few of them."
        )
    if not any(generator["attacks"] for generator in document["generators"]):
        lines.append("Recognition of training patients: there are too few.")
    deviating = _deviations(document)
    if deviating:
        lines.append(f"Settings that are not the defaults: {'; '.join(deviating)}.")
    return [
        *lines,
        "Other seeds and other truncations than 1; a copy rarer than the bounds below.",
        "Attacks that nobody has tried, and disguises that were not planted, such as "
        "one patient's anatomy drawn anew.",
        "Whether stores, runs and this page are kept safe.",
    ]


def _kinds(document: dict[str, Any], *, is_noticed: bool) -> list[str]:
    """Returns the disguises that every generator's audit notices, or one overlooks."""
    power: dict[str, float] = {}
    for generator in document["generators"]:
        for kind in generator.get("memorisation", {}).get("kinds", []):
            least = power.get(kind["kind"], 1.0)
            power[kind["kind"]] = min(least, kind["power"])
    least_power = document["settings"]["min_power"]
    return [
        kind if is_noticed else f"{kind} ({share:.0%})"
        for kind, share in power.items()
        if (share >= least_power) == is_noticed
    ]


def _deviations(document: dict[str, Any]) -> tuple[str, ...]:
    return deviations(from_plain(AuditSettings, document["settings"]))


def _draw_pairs(
    pairs: list[dict[str, Any]],
    samples: NDArray[np.float32],
    store: Store,
    *,
    columns: int | None = None,
) -> Image.Image:
    """Draws the samples, flipped as they match, above the windows that they match.

    Args:
        pairs: What is drawn.
        samples: All samples.
        store: The audited store.
        columns: Of the sheet; by default one for each pair.
    """
    size = samples.shape[1]
    shown = samples[[pair["seed"] for pair in pairs]]
    flips = np.array([FLIPS.index(pair["flip"]) for pair in pairs], np.uint8)
    windows = [_window(store, pair, size) for pair in pairs]
    rows = np.concatenate([flip_patches(shown, flips), windows])
    grey = np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8)
    return image_sheet(
        enlarge(grey[..., None], _MIN_SIDE),
        columns or len(pairs),
        caption="" if store.is_synthetic else SHOWS_PATIENTS,
    )


def _window(store: Store, pair: dict[str, Any], size: int) -> NDArray[np.float32]:
    keys = [image.key for image in store.images]
    image = store.image(keys.index(pair["image"])).astype(np.float32)
    factor = store.geometry.patch_size / size
    offset = (pair["row"], pair["column"])
    scaled = scale_image(image, factor, offset=offset)[:size, :size]
    return scaled / np.float32(2**store.bits - 1)


def _plot_exposure(exposure: Exposure, is_training: NDArray[np.bool_]) -> str:
    """Plots a row of dots per group, and the threshold as a dashed line."""
    figure = Figure(figsize=(7, 1.8), layout="constrained")
    axes = figure.subplots()
    for row, (name, group) in enumerate(
        (("held-out", ~is_training), ("training", is_training))
    ):
        values, is_exposed = exposure.exposure[group], exposure.exposed[group]
        for chosen, kind, marker in (
            (~is_exposed, name, "o"),
            (is_exposed, "exposed", "X"),
        ):
            height = np.full(chosen.sum(), row)
            colour = _COLOURS[kind]
            axes.scatter(values[chosen], height, c=colour, marker=marker, alpha=0.6)
    if math.isfinite(exposure.threshold):
        axes.axvline(exposure.threshold, color="black", linestyle="--")
        label = f"{exposure.threshold:.1f}"
        axes.text(exposure.threshold, 1.7, label, ha="center", va="bottom")
    axes.set(
        xlabel="how far the closest sample stands out (robust standard deviations)",
        yticks=(0, 1),
        yticklabels=("held-out", "training"),
        ylabel="patients",
        ylim=(-0.6, 1.6),
    )
    return svg_uri(figure)


def _plot_roc(scores: NDArray[np.float64], is_training: NDArray[np.bool_]) -> str:
    """Plots the true positive rate against the false positive rate of an attack."""
    figure = Figure(figsize=(3.4, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot((0, 1), (0, 1), color="#cccccc")
    axes.plot(*roc(scores, is_training), color=_COLOURS["training"], linewidth=2)
    axes.set(
        xlabel="held-out patients (false positives)",
        ylabel="training patients (true positives)",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    return svg_uri(figure)
