"""Changes of a run's config: what a resumed run may change, and since which image.

Everything before the state that a run resumes from was done with the config of then, so
only what decides on later steps may change, and only where the networks stay the same.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gastritis_gan.errors import InputError
from gastritis_gan.training.schedule import Schedule

Document = Mapping[str, Any]
Change = dict[str, Any]
"""`key`, `before`, `after`, and the number of images since which it holds."""

_NOT_OF_TRAINING = ("evaluation.", "audit.")
_LENGTHS = ("schedule.stable_images", "dcgan.num_images")
_CHANGEABLE = (
    *_LENGTHS,
    "optimizer.learning_rate",
    "optimizer.discriminator_learning_rate",
    "optimizer.decay_images",
    "dcgan.learning_rate",
    "training.tick_images",
    "training.checkpoint_images",
    "training.keep_checkpoints",
    "training.sheet_columns",
    "training.health_patches",
    "training.max_skipped_steps",
)


def settings_of(document: Document) -> Iterator[tuple[str, Any]]:
    """Yields `section.key` and its value, as JSON has it."""
    for section, keys in json.loads(json.dumps(document)).items():
        for key, value in keys.items():
            yield f"{section}.{key}", value


def find_changes(before: Document, after: Document, *, num_images: int) -> list[Change]:
    """Returns what differs and concerns training.

    Args:
        before: An experiment as a plain mapping.
        after: Another.
        num_images: After how many images of the run `after` begins to hold.
    """
    old, new = dict(settings_of(before)), dict(settings_of(after))
    return [
        {
            "num_images": num_images,
            "key": key,
            "before": old.get(key),
            "after": new.get(key),
        }
        for key in {**old, **new}
        if not key.startswith(_NOT_OF_TRAINING) and old.get(key) != new.get(key)
    ]


def check_changes(
    changes: Sequence[Change],
    *,
    name: str,
    before: Schedule,
    after: Schedule,
    step: int,
) -> None:
    """Refuses changes that a run cannot resume with.

    Args:
        changes: As of `find_changes`.
        name: What messages call the run.
        before: The run's schedule.
        after: The one to resume with.
        step: Steps that are done.

    Raises:
        InputError: One of them is none of those that may change, or leaves fewer images
            than have been shown.
    """
    last = dataclasses.replace(
        before.stages[-1], num_images=after.stages[-1].num_images
    )
    same = (*before.stages[:-1], last) == after.stages
    for change in changes:
        key = change["key"]
        if key not in _CHANGEABLE or (key in _LENGTHS and not same):
            raise InputError(
                f"{name} was trained with `{key}`: {_text(change['before'])}, and this "
                f"config has {_text(change['after'])}. A run that is resumed may "
                "change the length of its last stage (`schedule.stable_images` of the "
                "last resolution, `dcgan.num_images`), learning rates, "
                "`optimizer.decay_images`, `training.tick_images`, "
                "`checkpoint_images`, `keep_checkpoints`, `sheet_columns`, "
                "`health_patches` and `max_skipped_steps`, `evaluation` and `audit`."
            )
        if key in _LENGTHS and after.num_steps < step:
            raise InputError(
                f"{name} has shown {before.images_before(step):,} images, and `{key}`: "
                f"{_text(change['after'])} makes {after.num_images:,} in all. Give at "
                "least as many."
            )


def merge_changes(
    earlier: Sequence[Change],
    config: Document,
    changes: Sequence[Change],
    *,
    num_images: int,
) -> list[Change]:
    """Returns the record of a run that resumes with changes.

    Args:
        earlier: The record so far. A kill between the writing of record and config
            leaves changes in it that never held, and a damaged checkpoint has a run
            resume from before one.
        config: The config so far.
        changes: From now on.
        num_images: That the run has shown.
    """
    values = dict(settings_of(config))
    kept: list[Change] = []
    for change in reversed(earlier):
        key = change["key"]
        if values.get(key) == change["after"]:
            since = min(change["num_images"], num_images)
            kept.insert(0, {**change, "num_images": since})
            values[key] = change["before"]
    return [*kept, *changes]


def config_before(
    config: Document, changes: Sequence[Change], num_images: int
) -> dict[str, Any]:
    """Returns the config that the first images of a run were shown with.

    Args:
        config: The run's config.
        changes: The run's record.
        num_images: How many images.
    """
    document = copy.deepcopy(dict(config))
    for change in reversed(changes):
        if change["num_images"] >= num_images:
            section, _, key = change["key"].partition(".")
            document[section][key] = change["before"]
    return document


def _text(value: Any) -> str:
    return json.dumps(value).replace('"', "")
