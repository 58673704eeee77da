"""The page that explains a release to those who find it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from gastritis_gan.cohort.cohort_settings import SUBJECT_KEYS
from gastritis_gan.releases.clearance import Clearance, clearance_sentences
from gastritis_gan.releases.mix import ReleasePart, origin
from gastritis_gan.version import __version__

_FORMATS = {
    "png": "`images/CLASS/NUMBER.png`, 8-bit greyscale PNG",
    "tfrecord": "`images/*.tfrecord`, up to 1,000 `tf.train.Example` each: "
    "`image/encoded` (8-bit greyscale PNG), `image/class/label`, `image/class/text`, "
    "`generator/seed` and more",
    "dicom": "`images/CLASS/NUMBER.dcm`, DICOM Secondary Capture, 8-bit MONOCHROME2, "
    "Synthetic Data (0008,001C) = YES, the generator's hash in the Contributing "
    "Equipment Sequence (0018,A001)",
}


@dataclasses.dataclass(frozen=True)
class ReleaseMetadata:
    """Statements of whoever publishes, and findings of others.

    Attributes:
        title: Of the data set.
        licence: Under which it is given; empty if none was stated.
        date: Of the release.
        image_format: A key of `formats.FORMATS`.
        truncation: 0 (one image for every seed) to 1 (as trained).
        authors: Names of whoever is to be cited; none if none was stated.
        command: That makes the release again.
        clearance: What allows it.
        tables: Markdown of what the samples were measured to be good for: of
            "gan-train", "image-metrics", or both, where they were measured.
    """

    title: str
    licence: str
    date: datetime.date
    image_format: str
    truncation: float
    authors: tuple[str, ...]
    command: str
    clearance: Clearance
    tables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """What may be said about patients in the images."""
        audit = self.clearance.audit
        found = _VERDICTS[audit.verdict if audit else None]
        return f"{found} {_GAPS}" if self.clearance.gaps else found


# What may be said about the images, by the verdict of their audit.
_VERDICTS = {
    "pass": "The privacy audit of exactly these generators found no copy of a training "
    "patient's image among their samples. It can only find copies of the kinds that it "
    "looks for.",
    "undecided": "The privacy audit of exactly these generators could not decide: "
    "images of this release may show training patients.",
    "fail": "The privacy audit of exactly these generators failed: images of this "
    "release may show training patients.",
    None: "No privacy audit was given for this release: images of it may show "
    "training patients.",
}

_GAPS = "It did not examine every image of this release."


def default_title(card: Mapping[str, Any]) -> str:
    """Returns the title of a release of models with this card."""
    organ = card.get("organ")
    return f"Synthetic images: {organ}" if organ else "Synthetic images"


def summarize(parts: Sequence[ReleasePart]) -> str:
    """Returns what a release is, in a few sentences."""
    size = parts[0].model.resolution
    total = sum(part.count for part in parts)
    classes = sorted({part.model.class_name for part in parts})
    return (
        f"{total:,} synthetic image patches of {size} x {size} pixels, of the classes "
        f"{', '.join(classes)}, made by generative adversarial networks. "
        f"{_subject(parts[0].model.card)}"
    )


def datasheet(parts: Sequence[ReleasePart], metadata: ReleaseMetadata) -> str:
    """Returns the datasheet as Markdown."""
    sections = {
        "Privacy": _privacy(metadata),
        "What it is": _what(parts, metadata),
        "Composition": _composition(parts),
        "How it was made": _how(parts, metadata.truncation),
        "What it is good for": _worth(metadata),
        "Seven C's": _seven_cs(parts, metadata),
        "Limits": _LIMITS,
        "Licence": metadata.licence
        or "None was stated: ask the publisher before any use beyond reading.",
        "Make it again": _again(metadata),
    }
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections.items())
    return f"# {metadata.title}\n\nReleased on {metadata.date.isoformat()}.\n{body}"


_NOTHING = "Nothing was measured."
_MEASURED = {
    "gan-train": "Measured on the cohort's test patients, who took no part in the "
    "training:",
    "image-metrics": "Measured against patches of the cohort's training patients:",
}
_LIMITS = (
    "- No image may inform the care of a patient.\n"
    "- The label of an image is the class that its generator was trained on; no "
    "physician has read the images.\n"
    "- A generator shows what its training images showed, of their patients, devices "
    "and technique, with less variety than they have.\n"
    "- Do not mix these images into data that will be reported as real."
)


def _what(parts: Sequence[ReleasePart], metadata: ReleaseMetadata) -> str:
    return (
        f"{summarize(parts)}\n\n"
        f"- Images: {_FORMATS[metadata.image_format]}.\n"
        "- `manifest.csv`: file, class, generator, its version and hash, seed, "
        "truncation and SHA-256 of the pixels of each image.\n"
        "- `SHA256SUMS`: of every file; check them with `sha256sum -c SHA256SUMS`.\n"
        "- `release.json`: this page for machines; `croissant.json`: the files, for "
        "programs that load them; `CITATION.cff`: how to cite them."
    )


def _subject(card: Mapping[str, Any]) -> str:
    stated = [f"{key} {card[key]}" for key in SUBJECT_KEYS if key in card]
    missing = [key for key in SUBJECT_KEYS if key not in card]
    sentences = []
    if stated:
        sentences.append(f"They imitate: {', '.join(stated)}.")
    if missing:
        sentences.append(f"Not stated: {', '.join(missing)}.")
    return " ".join(sentences)


def _composition(parts: Sequence[ReleasePart]) -> str:
    lines = ["| class | images | generator | kind | seeds |", "|---|---|---|---|---|"]
    for part in parts:
        last = part.seed + part.count - 1
        lines.append(
            f"| {part.model.class_name} | {part.count:,} | {origin(part.model)} | "
            f"{part.model.card.get('model', '')} | {part.seed} to {last} |"
        )
    return "\n".join(lines)


def _how(parts: Sequence[ReleasePart], truncation: float) -> str:
    lines = [
        f"gastritis-gan {__version__} drew one image per seed with truncation "
        f"{truncation:g} (1: as trained). The generators, each with the SHA-256 of its "
        "graph and weights:",
        "",
    ]
    for part in parts:
        shown = part.model.card.get("num_images")
        seen = f", after {shown:,} training images" if isinstance(shown, int) else ""
        lines.append(f"- {origin(part.model)}{seen}: `{part.model.model_hash}`")
    card = parts[0].model.card
    lines += [
        "",
        "They were trained on the training patients of one cohort. Their settings are "
        "in `release.json`.",
    ]
    if card.get("split_given"):
        lines += [
            "",
            "The split was given with the cohort, not drawn: the membership part of a "
            "privacy audit cannot pass on it.",
        ]
    if card.get("is_synthetic"):
        lines += [
            "",
            "The cohort itself is synthetic: all its images state that nobody was "
            "examined.",
        ]
    return "\n".join(lines)


def _worth(metadata: ReleaseMetadata) -> str:
    parts = []
    for command, introduction in _MEASURED.items():
        if command in metadata.tables:
            parts.append(f"{introduction}\n\n{_lowered(metadata.tables[command])}")
    if "gan-train" not in metadata.tables:
        parts.append(
            "Whether a classifier trained on these images works on real ones was not "
            "measured."
        )
    return "\n\n".join(parts)


def _lowered(table: str) -> str:
    """Returns Markdown with its headings two levels deeper."""
    return "\n".join(
        f"##{line}" if line.startswith("#") else line
        for line in table.strip().splitlines()
    )


def _seven_cs(parts: Sequence[ReleasePart], metadata: ReleaseMetadata) -> str:
    """Returns what was measured for each criterion of the FDA's authors.

    Reference: [Zamzmi et al., 2025](https://arxiv.org/abs/2406.11143).
    """
    card = parts[0].model.card
    has_metrics = "image-metrics" in metadata.tables
    stated = ", ".join(key for key in SUBJECT_KEYS if key in card)
    told = "Fréchet, kernel and sliced Wasserstein distances; see above."
    covered = "Recall, coverage and diversity; see above."
    trained = "gan-train" in metadata.tables
    rows = {
        "Congruence (distributed like real images)": told if has_metrics else _NOTHING,
        "Coverage (as varied as real images)": covered if has_metrics else _NOTHING,
        "Constraint (anatomically possible)": f"{_NOTHING} No physician has read the "
        "images, no rule of anatomy was tested.",
        "Completeness (all that a task needs)": "Not measured. Each image has a class, "
        f"a generator and a seed; stated: {stated or 'not even the organ'}; nothing on "
        "age, sex or findings.",
        "Compliance (privacy, law, formats)": f"{metadata.verdict} No law was "
        "examined.",
        "Comprehension (understandable)": "Not measured. What there is to read: this "
        "page, `release.json` with the settings of the generators.",
        "Consistency (stable)": (
            "GAN-train's intervals over test patients; see above. " if trained else ""
        )
        + "The same seed gives the same image within one grey level. Not measured over "
        "devices, groups of patients or time.",
    }
    lines = ["| criterion | what was measured |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in rows.items()]
    return (
        "The criteria of a scorecard for synthetic medical data by authors of the FDA "
        "([Zamzmi et al.](https://arxiv.org/abs/2406.11143)):\n\n" + "\n".join(lines)
    )


def _privacy(metadata: ReleaseMetadata) -> str:
    clearance = metadata.clearance
    audit, risk = clearance.audit, clearance.accepted_risk
    lines = [f"**Verdict: {audit.verdict if audit else 'none'}.** "]
    lines[0] += metadata.verdict
    if risk is not None:
        lines += ["", f"Published all the same, because: {risk}"]
    if audit is not None:
        lines += ["", f"`audit.json` has the SHA-256 `{audit.sha256}`. It states:", ""]
        lines += [f"- {reason}" for reason in audit.reasons]
    lines += ["", *(f"- {sentence}" for sentence in clearance_sentences(clearance))]
    return "\n".join(lines)


def _again(metadata: ReleaseMetadata) -> str:
    return (
        "With the same exported generators:\n\n"
        f"    {metadata.command}\n\n"
        "On the same machine every file comes out the same; on another one an image "
        "may differ by one grey level."
    )
