"""The page that explains a release to those who find it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

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
        image_format: A key of `formats.FORMATS`.
        truncation: 0 (one image for every seed) to 1 (as trained).
        command: That makes the release again.
        clearance: What allows it.
        table: Markdown of what the samples were measured to be good for, if measured.
    """

    title: str
    licence: str
    image_format: str
    truncation: float
    command: str
    clearance: Clearance
    table: str | None = None


def datasheet(parts: Sequence[ReleasePart], metadata: ReleaseMetadata) -> str:
    """Returns the datasheet as Markdown."""
    sections = {
        "What it is": _what(parts, metadata.image_format),
        "Composition": _composition(parts),
        "How it was made": _how(parts, metadata.truncation),
        "What it is good for": _worth(metadata),
        "Privacy": _privacy(metadata.clearance),
        "Limits": _LIMITS,
        "Licence": metadata.licence
        or "None was stated: ask the publisher before any use beyond reading.",
        "Make it again": _again(metadata),
    }
    body = "".join(f"\n## {title}\n\n{text}\n" for title, text in sections.items())
    return f"# {metadata.title}\n{body}"


_LIMITS = (
    "- No image shows a patient; none may inform the care of one.\n"
    "- The label of an image is the class that its generator was trained on; no "
    "physician has read the images.\n"
    "- A generator shows what its training images showed: one hospital's devices, "
    "technique and patients, and less variety than they have.\n"
    "- Do not mix these images into data that will be reported as real."
)


def _what(parts: Sequence[ReleasePart], image_format: str) -> str:
    size = parts[0].model.resolution
    total = sum(part.count for part in parts)
    classes = sorted({part.model.class_name for part in parts})
    return (
        f"{total:,} synthetic patches of double-contrast gastric radiographs, {size} x "
        f"{size} pixels, of the classes {', '.join(classes)}. All were made by "
        "generative adversarial networks; none is a photograph of a patient.\n\n"
        f"- Images: {_FORMATS[image_format]}.\n"
        "- `manifest.csv`: file, class, generator, its version and hash, seed, "
        "truncation and SHA-256 of the pixels of each image.\n"
        "- `SHA256SUMS`: of every file; check them with `sha256sum -c SHA256SUMS`.\n"
        "- `release.json`: this page for machines."
    )


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
        "They were trained on the training patients of one cohort, whose split has the "
        f"hash `{card.get('split_hash')}`. Their settings are in `release.json`.",
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
    if metadata.table is None:
        return (
            "Not measured. Whether a classifier trained on these images works on real "
            "ones is unknown."
        )
    lowered = "\n".join(
        f"##{line}" if line.startswith("#") else line
        for line in metadata.table.strip().splitlines()
    )
    return (
        "Measured on the cohort's test patients, who took no part in the training:\n\n"
        f"{lowered}"
    )


def _privacy(clearance: Clearance) -> str:
    audit, risk = clearance.audit, clearance.accepted_risk
    lines = []
    if audit is not None:
        lines.append(
            f"Verdict of the privacy audit of exactly these generators: "
            f"**{audit.verdict}** (`audit.json` has the SHA-256 `{audit.sha256}`)."
        )
        lines += [f"- {reason}" for reason in audit.reasons]
    else:
        lines.append("There was no privacy audit of these generators.")
    if risk is not None:
        lines += ["", f"Published all the same, because: {risk}"]
    lines += ["", *(f"- {sentence}" for sentence in clearance_sentences(clearance))]
    return "\n".join(lines)


def _again(metadata: ReleaseMetadata) -> str:
    return (
        "With the same exported generators:\n\n"
        f"    {metadata.command}\n\n"
        "On the same machine every file comes out the same; on another one an image "
        "may differ by one grey level."
    )
