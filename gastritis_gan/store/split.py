"""The patient-level split, and the hash that everything made from it carries."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable

from gastritis_gan.errors import InputError
from gastritis_gan.rng import stream
from gastritis_gan.typed_config import require, require_at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How many patients of each class train; the rest test. Patients never straddle.

    The validation patients are taken from the training ones, so that the test patients
    are the same with and without them.
    """

    train_positive_patients: int = 100
    train_negative_patients: int = 100
    validation_positive_patients: int = 0  # of those above
    validation_negative_patients: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least(self, 1, "train_positive_patients", "train_negative_patients")
        for label in ("positive", "negative"):
            key = f"validation_{label}_patients"
            require_at_least(self, 0, key)
            most = getattr(self, f"train_{label}_patients") - 1
            require(
                getattr(self, key) <= most,
                key,
                f"must leave a patient of `train_{label}_patients` to train on, so be "
                f"at most {most}",
                getattr(self, key),
            )
        require_at_least(self, 0, "seed")


def split_patients(
    images: Iterable[tuple[str, str]], config: SplitConfig
) -> dict[str, str]:
    """Assigns every patient to a split.

    A patient with images of both labels counts as positive. The split depends on the
    patients' names and labels, not on the order of the images. The validation patients
    are some of the training patients: the test patients do not depend on their number.

    Args:
        images: Patient and label ("positive" or "negative") of every image.
        config: Number of patients and seed.

    Returns:
        "train", "validation" or "test" for every patient.

    Raises:
        InputError: A class has too few patients to leave one for the test.
    """
    label_of: dict[str, str] = {}
    for patient, label in images:
        if label_of.get(patient) != "positive":
            label_of[patient] = label
    splits: dict[str, str] = {}
    for label in ("positive", "negative"):
        number = getattr(config, f"train_{label}_patients")
        num_training = number - getattr(config, f"validation_{label}_patients")
        patients = sorted(p for p, other in label_of.items() if other == label)
        if number >= len(patients):
            raise InputError(
                f"`split.train_{label}_patients` is {number}, but the number of "
                f"{label} patients in the cohort is {len(patients)}, and at least one "
                "must be a test patient; choose a smaller number."
            )
        shuffled = stream(config.seed, f"split.{label}").permutation(len(patients))
        order = [patients[index] for index in shuffled]
        splits |= dict.fromkeys(order[:num_training], "train")
        splits |= dict.fromkeys(order[num_training:number], "validation")
        splits |= dict.fromkeys(order[number:], "test")
    return splits


def hash_split(images: Iterable[tuple[str, str, str, str]]) -> str:
    """Returns the SHA-256 of a split as 64 hexadecimal digits.

    It depends neither on the pseudonyms nor on the order of the images: a cohort that
    is prepared again with another key has the same split.

    Args:
        images: Patient, SHA-256 of the pixels, label and split of every image.
    """
    images_of: dict[str, list[list[str]]] = {}
    for patient, *content in images:
        images_of.setdefault(patient, []).append(content)
    patients = sorted(sorted(contents) for contents in images_of.values())
    text = json.dumps(patients, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
