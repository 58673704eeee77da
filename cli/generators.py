"""The exported models that a store's table can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gastritis_gan.errors import InputError

if TYPE_CHECKING:
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
