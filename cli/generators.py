"""The exported models that a store's table can be made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gastritis_gan.errors import InputError

if TYPE_CHECKING:
    from gastritis_gan.config import ExperimentConfig
    from gastritis_gan.store.store import Store

Models = dict[tuple[str, str, int], tuple[Path, dict[str, Any]]]
"""From (model, target, training seed) to the version's folder and its card."""


def find_models(paths: Sequence[Path], store: Store) -> tuple[Models, list[str]]:
    """Returns the models of the store's split, and a sentence on each one left out."""
    from gastritis_gan.serving.layout import highest_versions
    from gastritis_gan.serving.model_card import read_model_card

    models: Models = {}
    notes = []
    for path in paths:
        if not path.is_dir():
            raise InputError(
                f"{path} does not exist; --generators needs a folder of exported "
                "models."
            )
        folders = highest_versions(path)
        if not folders:
            notes.append(f"{path.name} holds no exported model.")
        for folder in folders:
            card = read_model_card(folder)
            name = f"{card['name']}, version {card['version']}"
            if card.get("split_hash") != store.split_hash:
                notes.append(
                    f"{name}, was skipped: it was trained on another split than this "
                    "store's."
                )
                continue
            key = (card["model"], card["target"], card["seed"])
            if key in models and models[key][0].resolve() != folder.resolve():
                raise InputError(
                    f"{models[key][0]} and {folder} are both {key[0]} models of the "
                    f"{key[1]} class with the training seed {key[2]}, and a row needs "
                    "exactly one: give the wanted models one by one, each with its own "
                    "--generators."
                )
            models[key] = (folder, card)
    return models, notes


def common_resolution(models: Models, config: ExperimentConfig, store: Store) -> int:
    """Returns the size in pixels of every row's and every test image's patches."""
    sizes = {str(folder): int(card["resolution"]) for folder, card in models.values()}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{folder}: {size}" for folder, size in sizes.items())
        raise InputError(
            f"the generators make images of different sizes ({listed}), so their rows "
            "could not be compared: give those of one size, each with its own "
            "--generators."
        )
    resolution = next(iter(sizes.values()), config.schedule.final_resolution)
    if resolution > store.geometry.patch_size:
        raise InputError(
            f"patches of {resolution} pixels were asked for, and the store's have "
            f"{store.geometry.patch_size}: lower `schedule.final_resolution`, or give "
            "generators that were trained on this store."
        )
    return resolution


def missing_rows(models: Mapping[tuple[str, str, int], Any]) -> list[str]:
    """Returns a sentence on each model and training seed that lacks one class."""
    from gastritis_gan.evaluation.rows import TARGETS

    if not models:
        return [
            "There is no generator of this store's split: the table has real data only."
        ]
    notes = []
    for model in sorted({model for model, _, _ in models}):
        for target, other in (TARGETS, TARGETS[::-1]):
            seeds, other_seeds = (
                {place[2] for place in models if place[:2] == (model, name)}
                for name in (target, other)
            )
            lonely = sorted(seeds - other_seeds)
            if not seeds:
                notes.append(
                    f"There is no {model} generator of the {target} class; its rows "
                    "are left out."
                )
            elif other_seeds and lonely and len(seeds | other_seeds) > 2:
                notes.append(
                    f"The {model} generators of the {target} class with the training "
                    f"seeds {', '.join(map(str, lonely))} are left out: the {other} "
                    "class has none of these seeds."
                )
    return notes
