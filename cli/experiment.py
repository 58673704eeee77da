"""An experiment file and a store that belong together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from gastritis_gan.errors import InputError

if TYPE_CHECKING:
    from gastritis_gan.config import ExperimentConfig
    from gastritis_gan.store.store import Store


def open_experiment(
    config_path: Path, store_path: Path
) -> tuple[ExperimentConfig, Store]:
    """Reads the config and opens the store that was prepared with it.

    Raises:
        InputError: One of them cannot be read, or the store was prepared with other
            classes, patches, bits or numbers of patients than the config's.
    """
    from gastritis_gan.config import load_config
    from gastritis_gan.store.store import Store

    config = load_config(config_path)
    store = Store.open(store_path)
    expected: dict[str, tuple[object, object]] = {
        "cohort.positive": (config.cohort.positive, store.positive),
        "cohort.negative": (config.cohort.negative, store.negative),
        "cohort.bits": (config.cohort.bits, store.bits),
    }
    for field in dataclasses.fields(config.patches):
        values = (
            getattr(config.patches, field.name),
            getattr(store.geometry, field.name),
        )
        expected[f"patches.{field.name}"] = values
    for label, num_training, num_validation in _split_sizes(store):
        for key, number in (("train", num_training), ("validation", num_validation)):
            name = f"{key}_{label}_patients"
            expected[f"split.{name}"] = (getattr(config.split, name), number)
    for key, (configured, stored) in expected.items():
        if configured != stored:
            raise InputError(
                f"{config_path}: `{key}` is {configured}, but {store_path} was "
                f"prepared with {stored}. Give the config of the store, or prepare the "
                "cohort again."
            )
    return config, store


def _split_sizes(store: Store) -> list[tuple[str, int, int]]:
    """Returns per label the patients that do not test, and those that validate."""
    split_of = {image.patient: image.split for image in store.images}
    positive = {image.patient for image in store.images if image.label == "positive"}
    sizes = []
    for label, patients in (
        ("positive", positive),
        ("negative", split_of.keys() - positive),
    ):
        splits = [split_of[patient] for patient in patients]
        num_validation = splits.count("validation")
        sizes.append((label, splits.count("train") + num_validation, num_validation))
    return sizes
