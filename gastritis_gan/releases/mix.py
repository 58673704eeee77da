"""Which models a release draws from, and how many images each gives."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from gastritis_gan.cohort.cohort_settings import SUBJECT_KEYS
from gastritis_gan.errors import InputError
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.storage import is_file_name

PAPER_MIX = ("lc_pggan", "pggan")
"""The mix that the paper found best: half LC-PGGAN, half PGGAN, for each class."""

_ID_DIGITS = 12  # fits into DICOM's StudyID
_TARGETS = ("positive", "negative")


@dataclasses.dataclass(frozen=True)
class ReleasePart:
    """A run of seeds of one model.

    Attributes:
        model: The generator.
        seed: Of the first image; the next images have the next seeds.
        count: Number of images, at least 1.
    """

    model: ExportedModel
    seed: int
    count: int


def origin(model: ExportedModel) -> str:
    """Returns a model's name and version, as in a path: `NAME/1`."""
    return f"{model.name}/{model.version}"


def check_models(models: Sequence[ExportedModel]) -> None:
    """Refuses models that do not belong together.

    Raises:
        InputError: There is none, one was given twice, their splits, image sizes or
            organs, views and modalities differ, or a class cannot name a folder.
    """
    origins = [origin(model) for model in models]
    if not models:
        raise InputError("a release needs at least one exported model.")
    if len(set(origins)) < len(origins):
        raise InputError("a model was given twice; give each one once.")
    for key, meaning in (
        ("split_hash", "split"),
        ("resolution", "size of images"),
        *((key, key) for key in SUBJECT_KEYS),
    ):
        values = [model.card.get(key) for model in models]
        if len(set(values)) > 1:
            listed = ", ".join(
                f"{name}: {value}" for name, value in zip(origins, values, strict=True)
            )
            raise InputError(
                f"a release needs models of one {meaning}; these differ ({listed})."
            )
    for model in models:
        if not is_file_name(model.class_name):
            raise InputError(
                f"the class {model.class_name!r} of {origin(model)} cannot name a "
                "folder; up to 50 letters, digits, spaces and _ - . + ( ) can."
            )


def keep_paper_mix(models: Iterable[ExportedModel]) -> list[ExportedModel]:
    """Returns the LC-PGGAN and the PGGAN of each class.

    Raises:
        InputError: One of the four is missing or there are several.
    """
    models = list(models)
    kept = []
    for kind in PAPER_MIX:
        for target in _TARGETS:
            found = [
                model
                for model in models
                if (model.card.get("model"), model.card.get("target")) == (kind, target)
            ]
            if len(found) != 1:
                raise InputError(
                    f"the paper's mix needs one {kind} model of the {target} class; "
                    f"{len(found)} were given."
                )
            kept += found
    return kept


def balanced_counts(models: Iterable[ExportedModel], *, per_class: int) -> list[int]:
    """Divides `per_class` images of each class evenly among the class's models.

    Where that leaves a remainder, the first models give one image more.

    Returns:
        The number of images of each model.

    Raises:
        InputError: A class has more models than images.
    """
    classes = [model.class_name for model in models]
    counts = []
    for position, class_name in enumerate(classes):
        share, remainder = divmod(per_class, classes.count(class_name))
        if not share:
            raise InputError(
                f"the number of images per class, {per_class}, is smaller than that of "
                f"the class's models, {classes.count(class_name)}; give a larger "
                "--per-class."
            )
        counts.append(share + (classes[:position].count(class_name) < remainder))
    return counts


def named_counts(
    models: Iterable[ExportedModel], counts: Mapping[str, int]
) -> list[int]:
    """Returns the number of images of each model, given by its name.

    Raises:
        InputError: A model has no number, a number no model, or it is below 1.
    """
    names = [model.name for model in models]
    if sorted(counts) != sorted(names):
        raise InputError(
            f"--count must be given once for each of {', '.join(sorted(names))}; it "
            f"was given for {', '.join(sorted(counts))}."
        )
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} must give at least 1 image, not {count}.")
    return [counts[name] for name in names]


def release_parts(
    models: Sequence[ExportedModel], counts: Sequence[int], *, seed: int
) -> list[ReleasePart]:
    """Gives each model seeds of its own.

    Equal seeds are equal latents, and an LC-PGGAN that branched from a PGGAN makes
    nearly the same image of them.
    """
    parts = []
    for model, count in zip(models, counts, strict=True):
        parts.append(ReleasePart(model, seed, count))
        seed += count
    return parts


def release_id(parts: Sequence[ReleasePart], truncation: float) -> str:
    """Returns 12 hexadecimal digits that stand for models, seeds and truncation."""
    content = [[part.model.model_hash, part.seed, part.count] for part in parts]
    text = json.dumps([content, float(truncation)])
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]
