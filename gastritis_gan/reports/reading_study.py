"""A blinded reading study: can people tell samples from real patches, and classes?"""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import itertools
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gastritis_gan import rng
from gastritis_gan.errors import InputError
from gastritis_gan.images import SHOWS_PATIENTS
from gastritis_gan.reports.pictures import page_template, spread_patches
from gastritis_gan.serving.exported_model import ExportedModel, find_models
from gastritis_gan.stats import wilson_interval
from gastritis_gan.storage import (
    DocumentFormat,
    make_folder,
    new_file,
    private_files,
    refuse_existing,
    refused_if_damaged,
)
from gastritis_gan.store.store import Store

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

_FORMAT = DocumentFormat(
    "gastritis-gan reading key", 1, "Make the study again; answers to it are lost."
)
_TEMPLATE_FILE = "reading_study.html.j2"
_TARGETS = ("positive", "negative")
_ORIGINS = ("real", "synthetic")
_COLUMNS = ("study", "reader", "number", "origin", "class", "seconds")
_SEED_LIMIT = 2**53  # exact in JSON and in every other language's double
_MOST_BYTES = 10_000_000  # of a reader's answers
_MOST_PER_GROUP = 500


def make_reading_study(
    page: PathLike,
    *,
    key: PathLike,
    store: Store | PathLike,
    exported: PathLike,
    per_group: int = 15,
    seed: int | None = None,
) -> Path:
    """Writes a page on which people read images blindly, and its key.

    Equally many real and synthetic images of either class follow each other in random
    order. The real ones are patches of test patients, from as many as possible; the
    synthetic ones come from all models of the class in equal parts. Neither order,
    names, lengths nor metadata of the images betray which is which; the key does, so
    readers must not have it.

    Args:
        page: The page to make, such as `study.html`. It shows patients: it stays inside
            the hospital.
        key: The file to make with the right answers, away from the readers.
        store: Where the real patches come from.
        exported: Folder of the models, at least one of each class, all of one size.
        per_group: Images of each class, real and synthetic each, 1 to 500.
        seed: Of everything random; by default drawn by the system, for a seed that
            readers know would betray the order. It is in the key.

    Returns:
        The page.

    Raises:
        InputError: A file exists, a class has no model or too few test patches, or the
            models differ in size.

    Example:
        >>> page = gg.make_reading_study("study.html", key="study.key.json",
        ...                              store="stores/phantom", exported="exported",
        ...                              per_group=2)
        >>> page.name
        'study.html'
    """
    page, key = Path(page), Path(key)
    refuse_existing(page)
    refuse_existing(key)
    if not 1 <= per_group <= _MOST_PER_GROUP:
        raise InputError(
            f"the number of images per group must be 1 to {_MOST_PER_GROUP}, not "
            f"{per_group}."
        )
    store = store if isinstance(store, Store) else Store.open(store)
    seed = secrets.randbelow(_SEED_LIMIT) if seed is None else seed
    models = _models_by_class(exported, store)
    items, images = _draw(store, models, per_group=per_group, seed=seed)
    order = rng.stream(seed, "reading.order").permutation(len(items))
    study = f"{rng.stream(seed, 'reading.name').integers(2**32):08x}"
    text = page_template(_TEMPLATE_FILE).render(
        study=study,
        images=[_png(images[place]) for place in order],
        resolution=images[0].shape[0],
        positive=store.positive,
        negative=store.negative,
        warning=None if store.is_synthetic else SHOWS_PATIENTS,
    )
    document = {
        "study": study,
        "seed": seed,
        "split_hash": store.split_hash,
        "positive": store.positive,
        "negative": store.negative,
        "items": [
            {"number": number, **items[place]}
            for number, place in enumerate(order, start=1)
        ],
    }
    make_folder(page.parent)
    make_folder(key.parent)
    with (
        private_files(page.parent),
        new_file(page) as partial_page,
        private_files(key.parent),
        new_file(key) as partial_key,
    ):
        partial_page.write_text(text, encoding="utf-8")
        _FORMAT.write(partial_key, document)
    return page


def _models_by_class(
    exported: PathLike, store: Store
) -> dict[str, list[ExportedModel]]:
    found, _ = find_models([exported], split_hash=store.split_hash)
    models = {
        target: [model for model in found if model.card["target"] == target]
        for target in _TARGETS
    }
    for target, name in zip(_TARGETS, (store.positive, store.negative), strict=True):
        if not models[target]:
            raise InputError(
                f"{exported} has no model of the class {name!r} and of this store's "
                "split; a study needs one of each class."
            )
    sizes = sorted({model.resolution for model in found})
    if len(sizes) > 1:
        raise InputError(
            f"the models in {exported} make images of {sizes} pixels, which would tell "
            "them apart; keep those of one size in a folder."
        )
    return models


def _draw(
    store: Store,
    models: Mapping[str, Sequence[ExportedModel]],
    *,
    per_group: int,
    seed: int,
) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Returns what the key says of every image, and the images, uint8 (r, r)."""
    items: list[dict[str, Any]] = []
    images: list[np.ndarray] = []
    for index, target in enumerate(_TARGETS):
        stream = rng.stream(seed, "reading.patches", index)
        patches = spread_patches(store, target, "test", per_group, stream=stream)
        if len(patches) < per_group:
            raise InputError(
                f"{store.path} has {len(patches)} {target} patches of test patients, "
                f"fewer than {per_group}; give a smaller --per-group."
            )
        resolution = models[target][0].resolution
        images += list(store.read(patches, resolution)[..., 0])
        items += [
            {"origin": "real", "class": target, "source": f"patch {patch}"}
            for patch in patches
        ]
        shares = np.array_split(
            rng.stream(seed, "reading.seeds", index).integers(
                _SEED_LIMIT, size=per_group
            ),
            len(models[target]),
        )
        for model, seeds in zip(models[target], shares, strict=True):
            if not len(seeds):
                continue
            images += list(model.generate(seeds)[..., 0])
            model.close()
            items += [
                {
                    "origin": "synthetic",
                    "class": target,
                    "source": f"{model.name}, version {model.version}, seed {number}",
                    "model": f"{model.name}/{model.version}",
                }
                for number in seeds
            ]
    return items, images


def _png(image: np.ndarray) -> str:
    """Returns a PNG in base64, uncompressed: its length is the same for every image."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png", compress_level=0)
    return base64.b64encode(stream.getvalue()).decode()


@dataclasses.dataclass(frozen=True)
class ReadingResult:
    """What a reading study has shown.

    Attributes:
        results: `study`, `num_images`, `classes`, and per reader (`readers`) and pair
            of readers (`agreement`) rates with their numbers and 95 % intervals.
        table: The same as text of at most 100 columns.
    """

    results: dict[str, Any]
    table: str


def analyse_reading_study(key: PathLike, answers: Iterable[PathLike]) -> ReadingResult:
    """Compares readers' answers with the key.

    Args:
        key: What `make_reading_study` has written.
        answers: A CSV file of every reader, as the page saves it. Images that a reader
            has not answered are left out for that reader.

    Returns:
        Accuracy with Wilson's interval (each image a trial) for every reader, and
        Cohen's kappa for every pair of readers.

    Raises:
        InputError: A file is damaged, is of another study, or is a reader's second.

    Reference: J. Cohen, Educational and Psychological Measurement 20 (1960) 37-46.

    Example:
        >>> import json, pathlib
        >>> page = gg.make_reading_study("read.html", key="read.json", per_group=1,
        ...                              store="stores/phantom", exported="exported")
        >>> study = json.loads(pathlib.Path("read.json").read_text())["study"]
        >>> _ = pathlib.Path("answers_A.csv").write_text(
        ...     "study,reader,number,origin,class,seconds" + chr(10)
        ...     + f"{study},A,1,real,positive,2.5" + chr(10))
        >>> result = gg.analyse_reading_study("read.json", ["answers_A.csv"])
        >>> result.results["readers"][0]["num_images"]
        1
    """
    key = Path(key)
    if not key.is_file():
        raise InputError(f"{key} does not exist; give the key of the study.")
    document = _FORMAT.read(key)
    with refused_if_damaged(key, "Restore it from a backup."):
        truth = {item["number"]: item for item in document["items"]}
        names = {target: str(document[target]) for target in _TARGETS}
        study = str(document["study"])
        origins = {item["origin"] for item in truth.values()}
        if not origins <= set(_ORIGINS) or not names:
            raise ValueError("an item's origin")
    readers: dict[str, dict[int, dict[str, str]]] = {}
    for path in map(Path, answers):
        reader, given = _read_answers(path, study, truth)
        if reader in readers:
            raise InputError(
                f"{path} is another file of the reader {reader!r}; give one of each."
            )
        readers[reader] = given
    if not readers:
        raise InputError("there are no answers; give the readers' CSV files.")
    results = {
        "study": study,
        "num_images": len(truth),
        "classes": names,
        "readers": [
            {"reader": reader, **_rates(given, truth)}
            for reader, given in readers.items()
        ],
        "agreement": [
            {"readers": [one, other], **_agreement(readers[one], readers[other])}
            for one, other in itertools.combinations(readers, 2)
        ],
    }
    return ReadingResult(results, _table(results))


def _read_answers(
    path: Path, study: str, truth: Mapping[int, Any]
) -> tuple[str, dict[int, dict[str, str]]]:
    """Returns the reader and, by image, what was answered."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a file that the page has saved.")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path} is too large for a reader's answers.")
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error):
        lines = []
    if not lines or tuple(lines[0]) != _COLUMNS or len(lines) < 2:
        raise InputError(
            f"{path} is not a reader's answers: its first line must be "
            f"{','.join(_COLUMNS)}, and answers must follow."
        )
    given: dict[int, dict[str, str]] = {}
    readers = set()
    for row, cells in enumerate(lines[1:], start=2):
        answer = dict(zip(_COLUMNS, cells, strict=False))
        number = int(cells[2]) if len(cells) > 2 and cells[2].isdecimal() else 0
        readers.add(answer.get("reader"))
        if answer.get("study") != study:
            raise InputError(f"{path}, row {row}: it is of another study than the key.")
        if (
            len(cells) != len(_COLUMNS)
            or number not in truth
            or number in given
            or answer["origin"] not in _ORIGINS
            or answer["class"] not in _TARGETS
            or len(readers) != 1
        ):
            raise InputError(
                f"{path}, row {row}: it must name one image of the study that no row "
                "before it names, its origin (real, synthetic), its class (positive, "
                "negative), and the same reader as the others."
            )
        given[number] = answer
    return str(readers.pop()), given


def _rates(
    given: Mapping[int, Mapping[str, str]], truth: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any]:
    def share(what: str, **wanted: str) -> dict[str, Any] | None:
        chosen = [
            number
            for number in given
            if all(truth[number].get(name) == value for name, value in wanted.items())
        ]
        if not chosen:
            return None
        right = sum(given[number][what] == truth[number][what] for number in chosen)
        return {
            "right": right,
            "num_images": len(chosen),
            "accuracy": right / len(chosen),
            "interval": list(wilson_interval(right, len(chosen))),
        }

    models = sorted({item["model"] for item in truth.values() if "model" in item})
    return {
        "num_images": len(given),
        "origin": share("origin"),
        "origin_of_real": share("origin", origin="real"),
        "origin_of_synthetic": share("origin", origin="synthetic"),
        "origin_by_model": {model: share("origin", model=model) for model in models},
        "class_of_real": share("class", origin="real"),
        "class_of_synthetic": share("class", origin="synthetic"),
    }


def _agreement(
    one: Mapping[int, Mapping[str, str]], other: Mapping[int, Mapping[str, str]]
) -> dict[str, Any]:
    from sklearn.metrics import cohen_kappa_score

    common = sorted(set(one) & set(other))
    kappas: dict[str, float | None] = {}
    for what in ("origin", "class"):
        pair = [
            [answers[number][what] for number in common] for answers in (one, other)
        ]
        # Where both always say the same, chance agrees as well: kappa is 0 / 0.
        is_defined = len({answer for given in pair for answer in given}) > 1
        kappas[what] = float(cohen_kappa_score(*pair)) if is_defined else None
    return {"num_images": len(common), "kappa": kappas}


def _table(results: Mapping[str, Any]) -> str:
    """Returns rates, agreement and a sentence for each reader."""
    names = results["classes"]
    lines = [
        f"Study {results['study']}: {results['num_images']} images; accuracy with 95 % "
        "intervals; 0.5 is guessing.",
        "",
        f"{'reader':<12}{'n':>5}  {'real or synthetic':<24}{'class of real ones':<24}"
        "class of synthetic ones",
    ]
    sentences = []
    for reader in results["readers"]:
        cells = [
            _rate(reader[name])
            for name in ("origin", "class_of_real", "class_of_synthetic")
        ]
        lines.append(
            f"{reader['reader'][:11]:<12}{reader['num_images']:>5}  "
            f"{cells[0]:<24}{cells[1]:<24}{cells[2]}"
        )
        low, high = reader["origin"]["interval"]
        found = (
            "tells real from synthetic"
            if low > 0.5
            else (
                "takes one for the other more often than not"
                if high < 0.5
                else "is not shown to tell real from synthetic"
            )
        )
        sentences.append(f"{reader['reader']} {found}.")
    if results["agreement"]:
        lines += [
            "",
            f"{'agreement':<26}{'n':>5}  {'kappa, real or synthetic':<28}kappa, class",
        ]
    for pair in results["agreement"]:
        both = " and ".join(name[:11] for name in pair["readers"])
        kappas = [
            "-" if value is None else f"{value:.3f}" for value in pair["kappa"].values()
        ]
        lines.append(f"{both:<26}{pair['num_images']:>5}  {kappas[0]:<28}{kappas[1]}")
    classes = (
        f"Classes: {names['positive']} (positive), {names['negative']} (negative)."
    )
    return "\n".join([*lines, "", classes, *sentences])


def _rate(rate: Mapping[str, Any] | None) -> str:
    if rate is None:
        return "-"
    low, high = rate["interval"]
    return f"{rate['accuracy']:.3f} ({low:.3f} to {high:.3f})"
