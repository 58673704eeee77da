"""Which models a release draws from, and how many images each gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_card import model_hash, read_model_card

PAPER_MIX = ("lc_pggan", "pggan")
"""The mix that the paper found best: half LC-PGGAN, half PGGAN, for each class."""

_TARGETS = ("positive", "negative")


@dataclasses.dataclass(frozen=True)
class ReleasePart:
    """A run of seeds of one model.

    Attributes:
        folder: Of the model's version.
        card: Its model card.
        model_hash: Its identity.
        seed: Of the first image; the next images have the next seeds.
        count: Number of images, at least 1.
    """

    folder: Path
    card: Mapping[str, Any]
    model_hash: str
    seed: int
    count: int

    @property
    def origin(self) -> str:
        """Name and version, as in a path: `NAME/1`."""
        return f"{self.card['name']}/{self.card['version']}"


def read_models(folders: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Reads the cards of the models of a release, by folder.

    Raises:
        InputError: A model is damaged or given twice, their splits or image sizes
            differ, or a class is missing.
    """
    cards = {folder: read_model_card(folder) for folder in folders}
    origins = [f"{card['name']}/{card['version']}" for card in cards.values()]
    if len(cards) < len(folders) or len(set(origins)) < len(origins):
        raise InputError("a model was given twice; give each one once.")
    for key, meaning in (("split_hash", "split"), ("resolution", "size of images")):
        values = {
            origin: card.get(key)
            for origin, card in zip(origins, cards.values(), strict=True)
        }
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{origin}: {value}" for origin, value in values.items())
            raise InputError(
                f"a release needs models of one {meaning}; these differ ({listed})."
            )
    return cards


def keep_paper_mix(cards: Mapping[Path, dict[str, Any]]) -> dict[Path, dict[str, Any]]:
    """Returns the LC-PGGAN and the PGGAN of each class.

    Raises:
        InputError: One of the four is missing or there are several.
    """
    kept = {}
    for model in PAPER_MIX:
        for target in _TARGETS:
            found = [
                folder
                for folder, card in cards.items()
                if (card.get("model"), card.get("target")) == (model, target)
            ]
            if len(found) != 1:
                raise InputError(
                    f"the paper's mix needs one {model} model of the {target} class; "
                    f"{len(found)} were given."
                )
            kept[found[0]] = cards[found[0]]
    return kept


def balanced_counts(
    cards: Mapping[Path, dict[str, Any]], *, per_class: int
) -> dict[Path, int]:
    """Shares `per_class` images of each class out to the class's models, evenly.

    Where that leaves a remainder, the first models give one image more.
    """
    by_class: dict[str, list[Path]] = {}
    for folder, card in cards.items():
        by_class.setdefault(card["class_name"], []).append(folder)
    counts = {}
    for folders in by_class.values():
        share, remainder = divmod(per_class, len(folders))
        if not share:
            raise InputError(
                f"{per_class} images per class are fewer than a class's models, "
                f"{len(folders)}; ask for more with --per-class."
            )
        for position, folder in enumerate(folders):
            counts[folder] = share + (position < remainder)
    return counts


def release_parts(
    cards: Mapping[Path, dict[str, Any]], counts: Mapping[Path, int], *, seed: int
) -> list[ReleasePart]:
    """Gives each model seeds of its own.

    Equal seeds are equal latents, and an LC-PGGAN that branched from a PGGAN makes
    nearly the same image of them.
    """
    parts = []
    for folder, card in cards.items():
        parts.append(
            ReleasePart(folder, card, model_hash(folder), seed, counts[folder])
        )
        seed += counts[folder]
    return parts
