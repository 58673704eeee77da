"""Whether a config and a store belong together."""

from __future__ import annotations

import dataclasses

from gastritis_gan.cohort.settings import CohortConfig
from gastritis_gan.errors import InputError
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.store.store import Store


def check_store_fits(
    store: Store,
    *,
    cohort: CohortConfig,
    patches: PatchGeometry,
    split: SplitConfig,
    config_name: str,
) -> None:
    """Refuses a config with which the store was not prepared.

    The seed of the split cannot be compared: a store does not hold it.

    Args:
        store: The store.
        cohort: Section `cohort` of the config; classes and bits are compared.
        patches: Section `patches`.
        split: Section `split`; the numbers of patients are compared.
        config_name: What the message calls the config, such as its path.

    Raises:
        InputError: The store was prepared with other classes, patches, bits or numbers
            of patients.
    """
    expected: dict[str, tuple[object, object]] = {
        "cohort.positive": (cohort.positive, store.positive),
        "cohort.negative": (cohort.negative, store.negative),
        "cohort.bits": (cohort.bits, store.bits),
    }
    stored_patches = dataclasses.asdict(store.geometry)
    for key, value in dataclasses.asdict(patches).items():
        expected[f"patches.{key}"] = (value, stored_patches[key])
    for key, number in _count_patients(store).items():
        expected[f"split.{key}"] = (getattr(split, key), number)
    for key, (configured, stored) in expected.items():
        if configured != stored:
            raise InputError(
                f"{config_name}: `{key}` is {configured}, but {store.path} was "
                f"prepared with {stored}. Give the config of the store, or prepare the "
                "cohort again."
            )


def _count_patients(store: Store) -> dict[str, int]:
    """Returns the numbers of patients by their keys in the section `split`."""
    split_of = {image.patient: image.split for image in store.images}
    positive = {image.patient for image in store.images if image.label == "positive"}
    numbers = {}
    for label, patients in (
        ("positive", positive),
        ("negative", split_of.keys() - positive),
    ):
        splits = [split_of[patient] for patient in patients]
        numbers[f"validation_{label}_patients"] = splits.count("validation")
        numbers[f"train_{label}_patients"] = len(splits) - splits.count("test")
    return numbers
