"""Nested mappings to dataclasses: unknown keys and wrong types are refused."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import math
import types
import typing
from typing import Any, Literal

from gastritis_gan.errors import InputError

MAX_INTEGER = 2**58
"""No integer of a config is larger; what is computed from it fits into 64 bits."""

_FLOAT32_RANGE = (1.2e-38, 3.4e38)  # smaller and larger ones become 0 and infinity
_MAX_SHOWN = 200  # characters of a value that a message quotes


def require(holds: bool, key: str, rule: str, received: Any) -> None:
    """Raises InputError "`key` rule. Received: ..." unless `holds`."""
    if not holds:
        raise InputError(f"`{key}` {rule}. Received: {_shown(received)}.")


def require_between(section: Any, least: float, most: float, *keys: str) -> None:
    """Raises InputError for the first of `keys` whose value is not from least to most.

    Args:
        section: The dataclass.
        least: The smallest value that is allowed.
        most: The largest one; more could not be computed.
        keys: Names of its fields.
    """
    for key in keys:
        value = getattr(section, key)
        require(least <= value <= most, key, f"must be from {least} to {most}", value)


def require_at_least(section: Any, least: float, *keys: str) -> None:
    """Raises InputError for the first of `keys` whose value is below `least`."""
    for key in keys:
        value = getattr(section, key)
        require(value >= least, key, f"must be at least {least}", value)


def require_different(section: Any, key: str) -> None:
    """Raises InputError when a list names something twice."""
    values = getattr(section, key)
    require(len({*values}) == len(values), key, "must name nothing twice", values)


def from_plain(cls: type, document: Any) -> Any:
    """Builds the dataclass `cls` from nested mappings, checking every key and type.

    Raises:
        InputError: An unknown key (with the nearest known one), a wrong type, or a
            value that the dataclass refuses; the message starts with the dotted key.
    """
    return _convert_section(cls, document, "")


def to_plain(section: Any) -> dict[str, Any]:
    """Returns nested mappings and lists that `from_plain` reads back."""
    return typing.cast(dict[str, Any], _plain(dataclasses.asdict(section)))


def flat_keys(
    document: typing.Mapping[str, Any], prefix: str = ""
) -> typing.Iterator[tuple[str, str]]:
    """Yields every dotted key of nested mappings, and its value as JSON."""
    for key, member in document.items():
        if isinstance(member, typing.Mapping):
            yield from flat_keys(member, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(member)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _convert(annotation: Any, value: Any, where: str) -> Any:
    """Checks `value` against a type annotation and builds the dataclasses in it."""
    if dataclasses.is_dataclass(annotation):
        return _convert_section(typing.cast(type, annotation), value, where)
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(annotation, value, where)
    if origin is Literal:
        allowed = typing.get_args(annotation)
        if not _is_among(value, allowed):
            raise InputError(
                f"`{where}` must be one of {', '.join(map(str, allowed))}. "
                f"Received: {_shown(value)}.{_did_you_mean(value, allowed)}"
            )
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise InputError(f"`{where}` must be a list. Received: {_shown(value)}.")
        item = typing.get_args(annotation)[0]
        return tuple(_convert(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is dict:
        key_type, item = typing.get_args(annotation)
        if not isinstance(value, dict):
            raise InputError(f"`{where}` must be a mapping. Received: {_shown(value)}.")
        return {
            _convert(key_type, k, f"{where} (key)"): _convert(item, v, f"{where}.{k}")
            for k, v in value.items()
        }
    return _convert_scalar(annotation, value, where)


def _convert_section(cls: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        name = f"`{where}`" if where else "the file"
        raise InputError(
            f"{name} must be a mapping of keys. Received: {_shown(value)}."
        )
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]
    prefix = f"{where}." if where else ""
    for key in value:
        if key not in known:
            raise InputError(
                f"unknown key `{prefix}{_text(key)}`.{_did_you_mean(key, known)} "
                f"Known keys: {', '.join(known)}."
            )
    arguments = {k: _convert(hints[k], v, f"{prefix}{k}") for k, v in value.items()}
    try:
        return cls(**arguments)
    except InputError as error:  # the rule names the key inside its section
        raise InputError(str(error).replace("`", f"`{prefix}", 1)) from None


def _convert_union(annotation: Any, value: Any, where: str) -> Any:
    members = typing.get_args(annotation)
    for member in members:
        if _has_kind(member, value):
            return _convert(member, value, where)
    allowed = " or ".join(_describe(member) for member in members)
    raise InputError(f"`{where}` must be {allowed}. Received: {_shown(value)}.")


def _has_kind(annotation: Any, value: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return _is_among(value, typing.get_args(annotation))
    return type(_as_number(annotation, value)) is (origin or annotation)


def _convert_scalar(annotation: Any, value: Any, where: str) -> Any:
    scalar = _as_number(annotation, value)
    if type(scalar) is not annotation or (
        annotation is float and not math.isfinite(scalar)
    ):
        raise InputError(
            f"`{where}` must be {_describe(annotation)}. Received: {_shown(value)}."
            f"{_way_to_write(annotation, value)}"
        )
    if annotation is int and abs(scalar) > MAX_INTEGER:
        raise InputError(f"`{where}` must be at most 2^58. Received: {_shown(value)}.")
    least, most = _FLOAT32_RANGE
    if annotation is float and scalar and not least <= abs(scalar) <= most:
        raise InputError(
            f"`{where}` must be 0 or from {least} to {most}, as all arithmetic is in "
            f"float32. Received: {_shown(value)}."
        )
    return scalar


def _way_to_write(annotation: Any, value: Any) -> str:
    """Returns how a YAML file would have to state what was probably meant."""
    if annotation is str and isinstance(value, str | int | float | None):
        return " Put it into quotation marks."
    if annotation is int and type(value) in (float, str):
        with contextlib.suppress(ValueError, OverflowError):
            number = float(value)
            if number.is_integer() and abs(number) <= MAX_INTEGER:
                return f" Write {int(number)}."
    return ""


def _shown(value: Any) -> str:
    """Returns the text of a value, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of more than 4,300 digits
        return "a value too long to show"
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _as_number(annotation: Any, value: Any) -> Any:
    """Returns a float for an integer or a text like 1e-8, a text to YAML 1.1."""
    if annotation is float and type(value) in (int, str):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    return value


def _is_among(value: Any, allowed: tuple[Any, ...]) -> bool:
    """Whether a literal allows a value; 1 and 1.0 are not True."""
    return any(type(value) is type(item) and value == item for item in allowed)


def _describe(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return " or ".join(repr(item) for item in typing.get_args(annotation))
    if typing.get_origin(annotation) is dict:
        return "a mapping from resolution to number"
    names = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}
    return names[annotation]


def _did_you_mean(word: Any, known: typing.Iterable[str]) -> str:
    matches = difflib.get_close_matches(_text(word), [str(k) for k in known], n=1)
    return f" Did you mean `{matches[0]}`?" if matches else ""


def _text(word: Any) -> str:
    is_shown_as_it_is = isinstance(word, str) and word.isprintable()
    return word[:_MAX_SHOWN] if is_shown_as_it_is else _shown(word)
