"""A release: samples that can be given away, checked, described and sealed."""

from __future__ import annotations

import csv
import datetime
import hashlib
import operator
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gastritis_gan.cohort.cohort_settings import SUBJECT_KEYS
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.results import GanTrainResult, ImageMetricsResult
from gastritis_gan.images import drawable, image_sheet, stack_sheets
from gastritis_gan.progress import progress_bar
from gastritis_gan.releases.citation import citation
from gastritis_gan.releases.clearance import clear, describe_clearance
from gastritis_gan.releases.croissant import croissant
from gastritis_gan.releases.datasheet import (
    ReleaseMetadata,
    datasheet,
    default_title,
    summarize,
)
from gastritis_gan.releases.formats import FORMATS, ReleasedImage
from gastritis_gan.releases.mix import (
    ReleasePart,
    balanced_counts,
    check_models,
    keep_paper_mix,
    named_counts,
    origin,
    release_id,
    release_parts,
)
from gastritis_gan.releases.readme import readme
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.serving.model_folder import find_version, highest_versions
from gastritis_gan.serving.synthetic_mark import marked_png, synthetic_chunk
from gastritis_gan.storage import (
    new_folder,
    read_json,
    refuse_existing,
    refused_if_damaged,
    sha256_of_file,
    write_bytes,
    write_json,
)
from gastritis_gan.store.pseudonym import read_key
from gastritis_gan.version import __version__

_RESULTS = {  # by command: what it writes for machines, and for people
    "gan-train": ("results.json", "table.md", GanTrainResult),
    "image-metrics": ("metrics.json", "metrics.md", ImageMetricsResult),
}
_PUBLIC_KEYS = (
    *("name", "version", "model", "target", "class_name", *SUBJECT_KEYS),
    "split_mark",
    *("is_synthetic", "split_given", "resolution", "latent_dim", "num_images"),
    *("num_parameters", "truncation", "environment"),
    *("tensorflow", "keras", "gastritis_gan"),
)
_PUBLIC_SECTIONS = (
    *("cohort", "patches", "networks", "schedule", "objective", "optimizer"),
    *("augmentation", "dcgan"),
)
_CHUNK_SIZE = 64
_SHEET_IMAGES_PER_PART = 8
_MANIFEST_COLUMNS = (
    "file",
    "number",
    "class",
    "model",
    "version",
    "model_hash",
    "seed",
    "truncation",
    "pixels_sha256",
)


PathLike = str | os.PathLike[str]
Model = ExportedModel | PathLike


def release(  # noqa: PLR0913  (what a publisher decides)
    models: Model | Iterable[Model],
    out: str | os.PathLike[str],
    *,
    per_class: int = 100,
    counts: Mapping[str, int] | None = None,
    paper_mix: bool = False,
    image_format: str = "png",
    seed: int = 0,
    truncation: float = 1.0,
    audit: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    accept_risk: str | None = None,
    results: PathLike | Iterable[PathLike] = (),
    title: str | None = None,
    licence: str = "",
    authors: Iterable[str] = (),
    date: datetime.date | None = None,
    command: str = "",
) -> Path:
    """Gathers samples of exported models into a folder that can be published.

    Args:
        models: Exported models, or paths of them, or one: `exported/NAME`,
            `exported/NAME/1`, or a folder of models (the highest version of each). All
            of one split and one size of images.
        out: Folder to make; it appears whole or not at all.
        per_class: Images of each class, divided evenly among the class's models.
        counts: Number of images by the name of the model, instead of `per_class`; one
            for every model.
        paper_mix: Keep the paper's best mix only: half LC-PGGAN, half PGGAN, for each
            class.
        image_format: "png", "tfrecord" or "dicom".
        seed: Seed of the first image, from 0; every image has one of its own.
        truncation: 0 (one image for every seed) to 1 (as trained).
        audit: Folder of the privacy audit of exactly these models.
        key: File of the store's key; only an audit that was sealed with it is taken.
            Without it, the datasheet says that the seal was not checked.
        accept_risk: Why to release without a passing audit, or images that it did not
            examine; the datasheet quotes it.
        results: Folders that `gan-train` and `image-metrics` wrote on these models;
            their tables go into the datasheet.
        title: Of the data set; by default of the organ that the models' cards state.
        licence: Such as "CC-BY-4.0"; none by default.
        authors: Names of persons or institutions to cite.
        date: Of the release; today (UTC) by default.
        command: What makes the release again, for the datasheet; by default the
            `gastritis-gan release` command of these arguments.

    Returns:
        The folder.

    Raises:
        InputError: `out` exists; the models are damaged or do not belong together; a
            class cannot name a folder; the audit is of other models or was changed;
            it has not passed, or did not examine these seeds and this truncation, and
            no risk was accepted; the results are of other models.

    Example:
        >>> folder = gg.release("exported", "releases/tiny", per_class=4,
        ...                     accept_risk="the cohort is artificial")
        >>> (folder / "DATASHEET.md").is_file()
        True
    """
    out = Path(out)
    refuse_existing(out)
    if image_format not in FORMATS:
        raise InputError(f"the format {image_format!r} is not one of {[*FORMATS]}.")
    opened = _open(models)
    check_models(opened)
    if paper_mix:
        opened = keep_paper_mix(opened)
    if counts:
        shares = named_counts(opened, counts)
    else:
        shares = balanced_counts(opened, per_class=per_class)
    parts = release_parts(opened, shares, seed=seed)
    authors = tuple(authors)
    if isinstance(results, str | os.PathLike):
        results = [results]
    folders = [Path(folder) for folder in results]
    date = date or datetime.datetime.now(datetime.UTC).date()
    title = title or default_title(opened[0].card)
    clearance = clear(
        parts,
        truncation=truncation,
        audit_dir=None if audit is None else Path(audit),
        accepted_risk=accept_risk,
        key=None if key is None else read_key(Path(key)),
    )
    options = {
        "format": image_format,
        "seed": seed,
        "truncation": truncation,
        "audit": audit and Path("audits") / Path(audit).name,
        "accept-risk": accept_risk,
        "title": title,
        "licence": licence or None,
        "date": date.isoformat(),
        "out": Path("releases") / out.name,
    }
    metadata = ReleaseMetadata(
        title=title,
        licence=licence,
        date=date,
        image_format=image_format,
        truncation=truncation,
        authors=authors,
        command=command or _command(parts, authors, folders, options),
        clearance=clearance,
        tables=_read_tables(folders, opened),
    )
    _write(parts, out, metadata)
    return out


def _open(
    models: Model | Iterable[Model],
) -> list[ExportedModel]:
    if isinstance(models, ExportedModel | str | os.PathLike):
        models = [models]
    folders: list[Path] = []
    for model in models:
        # A card is read again, for an audit may have been added to it since.
        path = model.path if isinstance(model, ExportedModel) else Path(model)
        folders += highest_versions(path) or [find_version(path)]
    return [ExportedModel.open(folder) for folder in folders]


def _read_tables(
    folders: Iterable[Path], models: Sequence[ExportedModel]
) -> dict[str, str]:
    """Returns the tables of `gan-train` and `image-metrics`, by those names.

    Raises:
        InputError: A folder has neither, is about other models, or both are one kind.
    """
    tables: dict[str, str] = {}
    for folder in folders:
        kind = next((k for k, r in _RESULTS.items() if (folder / r[0]).is_file()), "")
        if not kind:
            raise InputError(
                f"{folder} has neither results.json nor metrics.json; give a folder "
                "that `gan-train` or `image-metrics` has written."
            )
        if kind in tables:
            raise InputError(f"two of the results are of `{kind}`; give one of them.")
        json_file, table_file, result_class = _RESULTS[kind]
        results = read_json(folder / json_file)
        with refused_if_damaged(folder, f"Repeat `{kind}`."):
            measured = {
                (card["name"], card["version"]): dict(card)
                for card in results["generators"]
            }
            tables[kind] = result_class(results).table
            stated = (folder / table_file).read_text(encoding="utf-8")
        if stated != tables[kind]:
            raise InputError(
                f"{folder / table_file} is not the table of {json_file} beside it: one "
                f"of them was changed; repeat `{kind}`."
            )
        for model in models:
            card = measured.get((model.name, model.version), {"files": None})
            if any(model.card.get(key) != value for key, value in card.items()):
                raise InputError(
                    f"{folder} did not measure {origin(model)}; repeat `{kind}` with "
                    "the models that you release."
                )
    return tables


def _command(
    parts: Sequence[ReleasePart],
    authors: Iterable[str],
    results: Iterable[Path],
    options: Mapping[str, Any],
) -> str:
    """Returns what makes the release again, without this machine's paths."""
    words = ["gastritis-gan", "release"]
    words += [f"exported/{origin(part.model)}" for part in parts]
    for part in parts:
        words += ["--count", f"{part.model.name}={part.count}"]
    for author in authors:
        words += ["--author", author]
    for folder in results:
        words += ["--results", f"results/{folder.name}"]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def _write(parts: Sequence[ReleasePart], out: Path, metadata: ReleaseMetadata) -> None:
    with new_folder(out) as partial:
        shown: list[tuple[str, Image.Image]] = []
        images = _draw(parts, metadata, shown=shown)
        written = FORMATS[metadata.image_format](images, partial)
        _write_manifest(written, partial, total=sum(part.count for part in parts))
        shown.sort(key=operator.itemgetter(0))
        sheet = stack_sheets([sheet for _, sheet in shown])
        chunk = synthetic_chunk(", ".join(origin(part.model) for part in parts))
        write_bytes(partial / "sheet.png", marked_png(sheet, chunk))
        write_bytes(partial / "DATASHEET.md", datasheet(parts, metadata).encode())
        write_json(partial / "release.json", _describe(parts, metadata))
        _write_for_others(parts, partial, metadata)
        _write_checksums(partial)


def _write_for_others(
    parts: Sequence[ReleasePart], folder: Path, metadata: ReleaseMetadata
) -> None:
    """Writes what libraries, data hubs and search engines read."""
    identity = release_id(parts, metadata.truncation)
    summary = f"{metadata.verdict} {summarize(parts)}"
    cff = citation(metadata, identity=identity, summary=summary)
    write_bytes(folder / "CITATION.cff", cff.encode())
    page = readme(
        metadata,
        summary=summary,
        total=sum(part.count for part in parts),
        resolution=parts[0].model.resolution,
    )
    write_bytes(folder / "README.md", page.encode())
    document = croissant(
        metadata,
        identity=identity,
        summary=summary,
        manifest_sha256=sha256_of_file(folder / "manifest.csv"),
    )
    write_json(folder / "croissant.json", document)


def _draw(
    parts: Sequence[ReleasePart],
    metadata: ReleaseMetadata,
    *,
    shown: list[tuple[str, Image.Image]],
) -> Iterator[ReleasedImage]:
    """Yields the images in order; adds each part's class and sheet to `shown`."""
    truncation = metadata.truncation
    identity = release_id(parts, truncation)
    classes = sorted({part.model.class_name for part in parts})
    number = 0
    for position, part in enumerate(parts):
        model = part.model
        for start in range(0, part.count, _CHUNK_SIZE):
            size = min(_CHUNK_SIZE, part.count - start)
            seeds = part.seed + start + np.arange(size, dtype=np.int64)
            images = model.generate(seeds, truncation)
            if start == 0:
                name = drawable(model.class_name, str(model.card.get("target")))
                caption = f"{name}: synthetic, {origin(model)}"
                first = images[:_SHEET_IMAGES_PER_PART]
                sheet = image_sheet(first, len(first), caption=caption)
                shown.append((model.class_name, sheet))
            for image_seed, image in zip(seeds, images, strict=True):
                yield ReleasedImage(
                    number=number,
                    pixels=image[..., 0],
                    model=model,
                    class_index=classes.index(model.class_name),
                    seed=int(image_seed),
                    truncation=truncation,
                    part=position,
                    release_id=identity,
                    date=metadata.date,
                )
                number += 1
        model.close()


def _write_manifest(
    written: Iterator[tuple[ReleasedImage, str]], folder: Path, *, total: int
) -> None:
    with (
        (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream,
        progress_bar(total=total, description="release", unit="image") as bar,
    ):
        manifest = csv.writer(stream, lineterminator="\n")
        manifest.writerow(_MANIFEST_COLUMNS)
        for image, path in written:
            manifest.writerow(
                (
                    path,
                    image.number,
                    image.model.class_name,
                    image.model.name,
                    image.model.version,
                    image.model.model_hash,
                    image.seed,
                    image.truncation,
                    hashlib.sha256(image.pixels.tobytes()).hexdigest(),
                )
            )
            bar.update(1)


def _describe(
    parts: Sequence[ReleasePart], metadata: ReleaseMetadata
) -> dict[str, Any]:
    return {
        "format": 1,
        "title": metadata.title,
        "release_id": release_id(parts, metadata.truncation),
        "date": metadata.date.isoformat(),
        "image_format": metadata.image_format,
        "truncation": metadata.truncation,
        "licence": metadata.licence or None,
        "audit": describe_clearance(metadata.clearance),
        "accepted_risk": metadata.clearance.accepted_risk,
        "command": metadata.command,
        "gastritis_gan": __version__,
        "parts": [
            {
                "count": part.count,
                "seed": part.seed,
                "model_hash": part.model.model_hash,
                "card": _public(part.model.card),
            }
            for part in parts
        ],
    }


def _public(card: Mapping[str, Any]) -> dict[str, Any]:
    """Returns of a card what tells a stranger about a model, and an insider nothing.

    Who has the cohort, and guesses who was trained on, could confirm the guess: by the
    hash of the split, by measures of training patients, or by training again with the
    same seed.
    """
    config = card.get("config")
    kept = {key: card[key] for key in _PUBLIC_KEYS if key in card}
    if isinstance(config, Mapping):
        kept["config"] = {key: config[key] for key in _PUBLIC_SECTIONS if key in config}
    return kept


def _write_checksums(folder: Path) -> None:
    """Writes `SHA256SUMS` in the form that `sha256sum -c` reads."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{sha256_of_file(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in paths
    ]
    write_bytes(folder / "SHA256SUMS", "".join(lines).encode())
