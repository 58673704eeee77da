"""The patient-level split, and the hash that everything made from it carries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import numpy as np

from gastritis_gan.errors import InputError


def split_patients(
    images: Iterable[tuple[str, str]],
    *,
    train_positive_patients: int,
    train_negative_patients: int,
    seed: int,
) -> dict[str, str]:
    """Draws the training patients of each class; all others test.

    A patient with images of both labels counts as positive. The draw depends on the
    patients' names and labels, not on the order of the images.

    Args:
        images: Patient and label ("positive" or "negative") of every image.
        train_positive_patients: Number of positive patients to train on.
        train_negative_patients: Number of negative patients to train on.
        seed: Seed of the draw.

    Returns:
        "train" or "test" for every patient.

    Raises:
        InputError: A class has too few patients to leave one for the test.
    """
    label_of: dict[str, str] = {}
    for patient, label in images:
        if label_of.get(patient) != "positive":
            label_of[patient] = label
    splits: dict[str, str] = {}
    numbers = {"positive": train_positive_patients, "negative": train_negative_patients}
    for stream, (label, number) in enumerate(numbers.items()):
        patients = sorted(p for p, other in label_of.items() if other == label)
        if number >= len(patients):
            raise InputError(
                f"`split.train_{label}_patients` is {number}, but the cohort has "
                f"{len(patients)} {label} patients and at least one must be left to "
                "test; choose a smaller number."
            )
        generator = np.random.Generator(np.random.Philox(key=[seed, stream]))
        order = generator.permutation(len(patients))
        for rank, index in enumerate(order):
            splits[patients[index]] = "train" if rank < number else "test"
    return splits


def hash_split(images: Iterable[tuple[str, str, str, str]]) -> str:
    """Returns the SHA-256 of a split as 64 hexadecimal digits.

    Args:
        images: Key, SHA-256 of the content, label and split of every image; their order
            does not matter.
    """
    rows = sorted(list(image) for image in images)
    text = json.dumps(rows, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
