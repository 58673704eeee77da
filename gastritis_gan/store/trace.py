"""Where a patient's images went: what somebody who withdraws consent has to be told."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gastritis_gan.cohort.cohort import patient_form
from gastritis_gan.errors import InputError
from gastritis_gan.storage import read_json
from gastritis_gan.store.pseudonym import (
    key_path_of,
    pseudonym,
    read_key,
    split_mark,
)
from gastritis_gan.store.store import Store

_KINDS = {  # by the file that carries the split's hash, or its mark
    "run.json": "run",
    "model_card.json": "exported model",
    "release.json": "release",
    "audit.json": "audit",
    "results.json": "results",
    "metrics.json": "results",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TracedFile:
    """What was made of a store's split.

    Attributes:
        kind: "run", "exported model", "release", "audit" or "results".
        path: The file that carries the split's hash.
    """

    kind: str
    path: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatientTrace:
    """Where a patient's images are and what was made of their split.

    Attributes:
        split: The patient's side, "train", "validation" or "test"; None for a patient
            who is not in the store.
        num_images: Images of the patient in the store.
        files: What carries the hash of the store's split; empty without the patient.
        unreadable: Files that could not be read: what they carry is unknown.
    """

    split: str | None
    num_images: int
    files: tuple[TracedFile, ...]
    unreadable: tuple[Path, ...]


def trace_patient(
    store: Store | str | os.PathLike[str],
    patient: str,
    folders: Iterable[str | os.PathLike[str]] = (),
    *,
    key: str | os.PathLike[str] | None = None,
) -> PatientTrace:
    """Finds a patient in a store, and what was made of the store's split.

    Nothing is written.

    Args:
        store: The store.
        patient: The name or number, as in the column `patient` of `cohort.csv`.
        folders: Are searched with all folders in them, such as `runs`, `exported` and
            `releases`; links are not followed.
        key: File of the store's key; by default `NAME.key` beside the store.

    Raises:
        InputError: There is no key, it is another store's or may be, the patient is
            empty, or a folder does not exist.

    Example:
        >>> trace = gg.trace_patient("stores/phantom", "0", ["runs", "exported"],
        ...                          key="keys/phantom.key")
        >>> trace.split is None
        True
    """
    store = store if isinstance(store, Store) else Store.open(store)
    key_path = Path(key) if key else key_path_of(store.path)
    secret = read_key(key_path)
    store.check_key(secret)
    name = patient_form(patient)
    if not name:
        raise InputError("no patient was given; give the name or number of one.")
    found = [
        image
        for image in store.images
        if image.patient == pseudonym(secret, "patient", name)
    ]
    if not found and store.split_mark is None:
        raise InputError(
            f"{store.path} is too old to tell whether the key is its own, so it cannot "
            "be said that the patient is not in it; prepare the cohort again, into "
            "another path, with the same key."
        )
    marks = {store.split_hash, split_mark(secret, store.split_hash)}
    files, unreadable = [], []
    for path in _files(folders):
        try:
            carries = not marks.isdisjoint(_split_hashes(read_json(path)))
        except InputError:
            unreadable.append(path)
            continue
        if carries and found:
            files.append(TracedFile(kind=_KINDS[path.name], path=path))
    order = [*dict.fromkeys(_KINDS.values())]
    files.sort(key=lambda file: (order.index(file.kind), file.path))
    return PatientTrace(
        split=found[0].split if found else None,
        num_images=len(found),
        files=tuple(files),
        unreadable=tuple(unreadable),
    )


def _files(folders: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder; give one to search.")
        for parent, _, names in os.walk(folder):
            yield from (Path(parent, name) for name in names if name in _KINDS)


def _split_hashes(value: Any) -> Iterator[str]:
    """Yields every hash and mark of a split, however deep in a document."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in ("split_hash", "split_mark") and isinstance(member, str):
                yield member
            yield from _split_hashes(member)
    elif isinstance(value, list):
        for member in value:
            yield from _split_hashes(member)
