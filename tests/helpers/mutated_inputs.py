"""Gives mutated inputs to the public functions that read them.

Run by `test_mutated_inputs.py` in a process of its own, for a decoder written in C
could take the process with it: python -m tests.helpers.mutated_inputs FOLDER FIRST
COUNT. It prints how the inputs ended, with the traceback of whatever is not a refusal
in one printable line.
"""

from __future__ import annotations

import copy
import json
import resource
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import yaml

import gastritis_gan as gg
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.results import GanTrainResult
from gastritis_gan.privacy.verdict import read_verdict
from gastritis_gan.serving.exported_model import find_models
from tests.helpers.read_mutated import mutate

MEMORY_BYTES = 3 << 30
SECONDS = 60  # of one input: only a hang takes longer
EXTREMES = (
    None, True, [], {}, "", "x", "../x", "/x", "a\0b", "\x1b[31m", "x" * 3000,
    "é\u0301", -1, 0, 1, 0.5, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**400,
    [[]], ["x"], {"x": 1}, [1] * 1000,
)  # fmt: skip
FIELDS = ("", "x", "../x", "a\0b", "\x1b[31m", "x" * 3000, '"', ";", ",", "\r", "=1+1",
          "-1", "\ufeff", "é\u0301", "con")  # fmt: skip


def prepare(folder: Path) -> None:
    out = folder / "made"
    try:
        store = gg.prepare(folder / "cohort", folder / "config.yaml", out, workers=1)
        store.image(0)
    finally:
        for path in folder.glob("made*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def draft(folder: Path) -> None:
    try:
        gg.draft_cohort(folder / "cohort", folder / "draft.csv")
    finally:
        (folder / "draft.csv").unlink(missing_ok=True)


def open_store(folder: Path) -> None:
    store = gg.open_store(folder / "store")
    for index in range(len(store.images)):
        store.outline(index)
    for name in ("positive", "negative", "outside"):
        store.read(store.patch_set(name, "train")[:2], resolution=16)
    repr(store)


def open_model(folder: Path) -> None:
    model = gg.open_model(folder / "exported")
    repr(model)
    repr(model.model_hash)
    find_models([folder / "exported"], split_hash="0" * 64)


def open_run(folder: Path) -> None:
    for run in gg.list_runs(folder / "runs"):
        repr(run.summary)
        repr(run.metadata)
        run.metrics()


def compare(folder: Path) -> None:
    repr(GanTrainResult.open(folder / "results"))
    repr(gg.compare(folder / "results", folder / "other_results").table)


READERS = {  # by the folder or file that is mutated
    "cohort": (prepare, prepare, draft),
    "config.yaml": (prepare, lambda folder: gg.load_config(folder / "config.yaml")),
    "store": (open_store,),
    "exported": (open_model,),
    "runs": (open_run,),
    "results": (compare,),
    "audit": (lambda folder: read_verdict(folder / "audit"),),
}


def mutate_file(path: Path, content: bytes, rng: np.random.Generator) -> bytes:
    """Changes a value or a key of a document, a field of a table, or bytes."""
    if path.suffix in (".json", ".jsonl", ".yaml", ".csv") and rng.integers(4):
        text = content.decode()
        if path.suffix == ".csv":
            return _mutate_table(text, rng).encode()
        if path.suffix == ".yaml":
            return yaml.safe_dump(_mutate_value(yaml.safe_load(text), rng)).encode()
        first, *rest = text.splitlines() if path.suffix == ".jsonl" else [text]
        changed = json.dumps(_mutate_value(json.loads(first), rng))
        return "\n".join([changed, *rest, ""]).encode()
    return mutate(content, rng)


def _mutate_value(document: object, rng: np.random.Generator) -> object:
    document = copy.deepcopy(document)
    places = [(document, key) for key in _keys(document)]
    for parent, key in places:
        places += [(parent[key], inner) for inner in _keys(parent[key])]
    for _ in range(rng.integers(1, 4)):
        parent, key = places[rng.integers(len(places))]
        if rng.integers(5) == 0 and isinstance(parent, dict):
            parent.pop(key, None)
        elif rng.integers(8) == 0 and isinstance(parent, dict):
            parent[FIELDS[rng.integers(len(FIELDS))]] = parent.get(key)
        else:
            parent[key] = EXTREMES[rng.integers(len(EXTREMES))]
    return document


def _keys(value: object) -> list:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []


def _mutate_table(text: str, rng: np.random.Generator) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(rng.integers(1, 4)):
        row = rows[rng.integers(len(rows))]
        at = rng.integers(len(row)) if row else 0
        if rng.integers(3) == 0:
            other = rows[rng.integers(len(rows))]
            row[at:] = other[at:]
        else:
            row[at : at + rng.integers(0, 3)] = [FIELDS[rng.integers(len(FIELDS))]]
    return "\n".join(",".join(row) for row in rows) + "\n"


def run_one(base: Path, folder: Path, seed: int) -> str:
    """Mutates one file, reads it and puts it back; returns "read" or "refused"."""
    rng = np.random.Generator(np.random.Philox(key=[7, seed]))
    kind = list(READERS)[rng.integers(len(READERS))]
    files = sorted(
        p for p in [folder / kind, *(folder / kind).rglob("*")] if p.is_file()
    )
    path = files[rng.integers(len(files))]
    reader = READERS[kind][rng.integers(len(READERS[kind]))]
    whole = (base / path.relative_to(folder)).read_bytes()
    path.write_bytes(mutate_file(path, whole, rng))
    signal.alarm(SECONDS)
    try:
        reader(folder)
    except InputError as error:
        if "\n" in str(error).rstrip() or not str(error).isprintable():
            raise ValueError(f"not one printable line: {error!r}") from None
        return "refused"
    finally:
        signal.alarm(0)
        path.write_bytes(whole)
    return "read"


def main(folder: Path, first: int, count: int) -> None:
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    base = folder / "base"
    copied = folder / f"copy_{first}"
    shutil.copytree(base, copied)
    ends = {"read": 0, "refused": 0}
    faults: dict[str, str] = {}
    early = 0
    for number in range(count):
        if number == count // 4:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            ends[run_one(base, copied, first + number)] += 1
        except Exception as error:  # noqa: BLE001  (that is what is looked for)
            *_, last = traceback.extract_tb(error.__traceback__)
            place = f"{type(error).__name__} in {last.filename}:{last.lineno}"
            faults.setdefault(place, f"seed {first + number}\n{traceback.format_exc()}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early) >> 10
    sys.stdout.write(json.dumps({**ends, "grown_mib": grown, "faults": faults}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
