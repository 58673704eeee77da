"""What an audit's page says of one generator: a section per question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gastritis_gan.privacy.charts import exposure_chart, roc_chart
from gastritis_gan.privacy.closest_pairs import closest_pairs, draw_pairs
from gastritis_gan.privacy.generator_audit import GeneratorFindings
from gastritis_gan.privacy.html_parts import (
    heading,
    interval,
    paragraph,
    picture,
    table,
)
from gastritis_gan.store.store import Store


def memorisation_section(found: GeneratorFindings, facts: dict[str, Any]) -> list[str]:
    """Returns exposed patients, copies and power.

    Args:
        found: What the audit found.
        facts: The generator's entry in `audit.json`.
    """
    memorisation = facts["memorisation"]
    rows = [
        (
            space["name"] if space["decides"] else f"{space['name']}: cannot decide",
            space["exposed_patients"],
            space["copies"],
            interval(space["excess_copies"], "excess"),
            interval(space["excess_close"], "excess"),
            f"{space['power']:.2f}",
        )
        for space in memorisation["spaces"]
    ]
    header = ("space", "patients exposed", "copies", "excess of copies",
              "excess of close matches", "planted copies noticed")  # fmt: skip
    exposed = [p["patient"] for p in facts["per_patient"] if p["exposed"]]
    return [
        heading(3, "Memorisation: are training patients in the samples?"),
        table(header, rows),
        paragraph(
            f"Exposed training patients: {', '.join(exposed)}."
            if exposed
            else "No training patient is exposed."
        ),
        paragraph(
            f"Together the spaces notice {memorisation['power']:.0%} of the planted "
            f"copies; up to {memorisation['copy_rate_bound']:.2%} of samples may be "
            "copies. An excess is a rate per sample, training minus held-out patients, "
            "with its 95 % interval over patients. A space that overlooks nine in ten "
            "planted copies cannot decide: whoever stands out in it is an unusual "
            "patient."
        ),
        paragraph(
            "Each dot is a patient: how far the closest sample stands out from what "
            "it shares with other patients. A training patient right of the dashed "
            "line counts as exposed."
        ),
        *(
            heading(4, space.name)
            + exposure_chart(space.exposure, found.cohort.is_training)
            for space in found.spaces
        ),
    ]


def pairs_section(found: GeneratorFindings, store: Store, figures: Path) -> list[str]:
    """Returns the closest pairs, and writes their pictures to `figures`."""
    parts = [
        heading(3, "Closest pairs"),
        paragraph(
            "Above the samples, below the window of a patient's image that each "
            "matches best, with its own brightness and contrast; one pair for each of "
            "the patients who stand out most. Compare both groups: held-out patients "
            "show how alike strangers are."
        ),
    ]
    for name, of_training in (("training", True), ("held-out", False)):
        pairs = closest_pairs(found, store, of_training=of_training)
        drawn = draw_pairs(pairs, found, store)
        model = found.subject.model
        drawn.save(figures / f"{model.name}-{model.version}-{name}.png")
        rows = [
            (p.seed, p.patient, p.image, f"{p.correlation:.3f}", f"{p.score:.1f}")
            for p in pairs
        ]
        header = ("sample (seed)", "patient", "image", "correlation", "stands out by")
        parts += [
            heading(4, f"With {name} patients"),
            picture(drawn, f"closest pairs with {name} patients"),
            table(header, rows),
        ]
    return parts


def membership_section(
    found: GeneratorFindings, facts: list[dict[str, Any]]
) -> list[str]:
    """Returns what each attack achieves.

    Args:
        found: What the audit found.
        facts: The attacks in `audit.json`.
    """
    rows = [
        (
            attack["name"] if attack["decides"] else f"{attack['name']}: upper bound",
            interval(attack["auc"]),
            *(interval(rate) for rate in attack["tpr"]),
            "-" if attack["control"] is None else interval(attack["control"]["auc"]),
        )
        for attack in facts
    ]
    header = (
        "attack",
        "AUC",
        "TPR at 1 % FPR",
        "TPR at 10 % FPR",
        "AUC of the control",
    )
    return [
        heading(3, "Membership: can an attacker tell who was in the training?"),
        paragraph(
            "Each attack gives every patient one score. The AUC is the probability "
            "that a training patient scores higher than a held-out one: 0.5 is chance. "
            "TPR at 1 % FPR: the share of training patients who are recognised when 1 "
            "% of the others may be accused wrongly; with fewer than 100 held-out "
            "patients none may be. The control plays held-out against held-out "
            "patients and has to be at chance. 95 % intervals over patients."
        ),
        table(header, rows),
        *(
            heading(4, attack.name)
            + roc_chart(
                attack.scores[found.cohort.is_training],
                attack.scores[~found.cohort.is_training],
            )
            for attack in found.attacks
        ),
    ]


def linkage_section(facts: dict[str, Any]) -> list[str]:
    """Returns how often a second image finds a patient again.

    Args:
        facts: The generator's `linkage` in `audit.json`.
    """
    rows = [
        (
            group.replace("_", "-"),
            linkage["num_patients"],
            linkage["num_samples"],
            interval(linkage["rate"]),
            f"{linkage['chance']:.3f}",
        )
        for group, linkage in facts.items()
        if linkage is not None
    ]
    title = heading(3, "Linkage: does a second image lead to the same patient?")
    if not rows:
        return [title, paragraph("No sample leads to a patient with two images.")]
    header = ("patients", "with 2 images", "samples", "found again", "chance")
    return [
        title,
        paragraph(
            "Of the samples whose best match has a second image of the same patient: "
            "how often that one is the next best match. If training patients are found "
            "again more often, relative to chance, than held-out ones, samples lead to "
            "them. It decides nothing."
        ),
        table(header, rows),
    ]
