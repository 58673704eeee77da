"""The patient-level split, and the hash that everything made from it carries."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Literal

from gastritis_gan.cohort.cohort import CohortImage
from gastritis_gan.errors import InputError
from gastritis_gan.rng import stream
from gastritis_gan.typed_config import require, require_at_least

PAPER_TRAIN_PATIENTS = 100  # of each class (section IV-A)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How many patients of each class train; the rest test. Patients never straddle.

    The validation patients are taken from the training ones, so that the test patients
    are the same with and without them. Where the cohort file has a column `split`, that
    decides, and no number is given here.

    Attributes:
        train_positive_patients: Patients of the positive class that train; null: the
            paper's 100.
        train_negative_patients: The same of the other class.
        validation_positive_patients: How many of these are held back from training, to
            watch it and to choose the best state.
        validation_negative_patients: The same of the other class.
        seed: Of the random assignment. For patients take a number that nobody guesses.
    """

    train_positive_patients: int | Literal[None] = None
    train_negative_patients: int | Literal[None] = None
    validation_positive_patients: int = 0
    validation_negative_patients: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for label in ("positive", "negative"):
            train, validation = (
                f"train_{label}_patients",
                f"validation_{label}_patients",
            )
            number = self.numbers[train]
            require(number >= 1, train, "must be at least 1", number)
            require_at_least(self, 0, validation)
            require(
                getattr(self, validation) < number,
                validation,
                f"must leave a patient of `{train}` to train on, so be at most "
                f"{number - 1}",
                getattr(self, validation),
            )
        require_at_least(self, 0, "seed")

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of patients by their keys."""
        stated = {
            key: value
            for key, value in dataclasses.asdict(self).items()
            if key.endswith("_patients")
        }
        return {k: PAPER_TRAIN_PATIENTS if v is None else v for k, v in stated.items()}

    def refuse_numbers(self, config_name: str, what: str) -> None:
        """Raises InputError when a number of patients is stated.

        Args:
            config_name: How the message begins.
            what: What has a split already.
        """
        for key in self.numbers:
            if getattr(self, key):
                raise InputError(
                    f"{config_name}`split.{key}` is {getattr(self, key)}, but {what} "
                    "has a column `split`, which decides; leave the numbers of "
                    "patients out."
                )


def assign_splits(images: Sequence[CohortImage], config: SplitConfig) -> dict[str, str]:
    """Assigns every patient to a split: as the cohort file has it, or by the seed.

    Args:
        images: The rows of the cohort.
        config: Number of patients and seed.

    Returns:
        "train", "validation" or "test" for every patient.

    Raises:
        InputError: A class has no patient to train or none to test, or the cohort file
            has a split and the config states numbers.
    """
    given = {image.patient: image.split for image in images if image.split}
    if not given:
        return split_patients(((i.patient, i.label) for i in images), config)
    config.refuse_numbers("", "the cohort file")
    for label, side in itertools.product(("positive", "negative"), ("train", "test")):
        if not any((i.label, i.split) == (label, side) for i in images):
            raise InputError(
                f"the column `split` of the cohort file has no {label} image in {side}."
            )
    return given


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
        number = config.numbers[f"train_{label}_patients"]
        num_training = number - config.numbers[f"validation_{label}_patients"]
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
