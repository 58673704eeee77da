"""The patient-level split, and the hash that everything made from it carries."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable

import numpy as np

from gastritis_gan.errors import InputError
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
    images: Iterable[tuple[str, str]],
    *,
    train_positive_patients: int,
    train_negative_patients: int,
    validation_positive_patients: int = 0,
    validation_negative_patients: int = 0,
    seed: int,
) -> dict[str, str]:
    """Draws the training patients of each class; all others test.

    A patient with images of both labels counts as positive. The draw depends on the
    patients' names and labels, not on the order of the images. The validation patients
    are some of the training patients: the test patients do not depend on their number.

    Args:
        images: Patient and label ("positive" or "negative") of every image.
        train_positive_patients: Number of positive patients that do not test.
        train_negative_patients: Number of negative patients that do not test.
        validation_positive_patients: How many of the former validate.
        validation_negative_patients: How many of the latter validate.
        seed: Seed of the draw.

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
    numbers = {
        "positive": (train_positive_patients, validation_positive_patients),
        "negative": (train_negative_patients, validation_negative_patients),
    }
    for stream, (label, (number, num_validation)) in enumerate(numbers.items()):
        patients = sorted(p for p, other in label_of.items() if other == label)
        if number >= len(patients):
            raise InputError(
                f"`split.train_{label}_patients` is {number}, but the cohort has "
                f"{len(patients)} {label} patients and at least one must be left to "
                "test; choose a smaller number."
            )
        generator = np.random.Generator(np.random.Philox(key=[seed, stream]))
        order = [patients[index] for index in generator.permutation(len(patients))]
        num_training = number - num_validation
        splits |= dict.fromkeys(order[:num_training], "train")
        splits |= dict.fromkeys(order[num_training:number], "validation")
        splits |= dict.fromkeys(order[number:], "test")
    return splits


def hash_split(images: Iterable[tuple[str, str, str, str]]) -> str:
    """Returns the SHA-256 of a split as 64 hexadecimal digits.

    It does not depend on the pseudonyms: a cohort that is prepared again with another
    key has the same split.

    Args:
        images: SHA-256 of the content, label, split and patient of every image, in the
            store's order. A patient counts as the number of those before it.
    """
    number_of: dict[str, int] = {}
    rows = [
        [content, label, split, number_of.setdefault(patient, len(number_of))]
        for content, label, split, patient in images
    ]
    return _hash(rows)


def hash_keyed_split(images: Iterable[tuple[str, str, str, str]]) -> str:
    """Returns the hash of the store's format versions 1 and 2, which covers the keys.

    Args:
        images: Key, SHA-256 of the content, label and split of every image; their order
            does not matter.
    """
    return _hash(sorted(list(image) for image in images))


def _hash(rows: list[list]) -> str:
    text = json.dumps(rows, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
