"""Chooses one of several windows or VOI LUTs."""

from __future__ import annotations

from collections.abc import Sequence

from gastritis_gan.errors import InputError


def choose(what: str, explanations: Sequence[str], wanted: int | str | None) -> int:
    """Returns the position of the wanted one.

    Args:
        what: Tag and keyword of what there are several of.
        explanations: The explanation of each, empty where the file gives none.
        wanted: Its number, from 1; or its explanation, in any case of letters; None for
            the first.

    Raises:
        InputError: There is none of that number, or not exactly one so explained.
    """
    if wanted is None:
        return 0
    if isinstance(wanted, int):
        found = [wanted - 1] if 1 <= wanted <= len(explanations) else []
    else:
        name = wanted.strip().casefold()
        texts = [explanation.strip().casefold() for explanation in explanations]
        found = [position for position, text in enumerate(texts) if text == name]
    if len(found) != 1:
        raise InputError(
            f"{what} has {len(explanations)} item(s), of which {len(found)} are the "
            f"wanted one ({wanted!r}); choose another by `--window`, or leave it out "
            "to take the first."
        )
    return found[0]
