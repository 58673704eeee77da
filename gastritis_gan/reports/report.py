"""An experiment on one page: what went in, what came out, and what it is worth."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from PIL import Image

from gastritis_gan import rng
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.class_metrics import REAL
from gastritis_gan.evaluation.digest import gan_train_conclusion
from gastritis_gan.evaluation.paper_tables import PAPER_NETWORKS, PAPER_TABLES
from gastritis_gan.evaluation.plots import png_uri
from gastritis_gan.evaluation.results import GanTrainResult
from gastritis_gan.evaluation.tables import (
    extractor_title,
    metric_cell,
    metric_name,
    metric_number,
    rows_over_runs,
)
from gastritis_gan.images import SHOWS_PATIENTS, drawable, enlarge, image_sheet
from gastritis_gan.privacy.verdict import read_verdict
from gastritis_gan.reports.pictures import (
    draw_curves,
    page_template,
    shrunk_sheet,
    spread_patches,
)
from gastritis_gan.serving.exported_model import ExportedModel, find_models
from gastritis_gan.storage import (
    make_folder,
    new_file,
    private_files,
    read_json,
    refuse_existing,
    refused_if_damaged,
)
from gastritis_gan.store.inspect import count_sets
from gastritis_gan.store.store import Store
from gastritis_gan.training.run import Run, list_runs
from gastritis_gan.version import __version__

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]

_TEMPLATE_FILE = "report.html.j2"
_NUM_PATCHES = 8  # in a row
_PATCH_PX = 120
_TARGETS = ("positive", "negative")
_METRICS_FILE, _RESULTS_FILE, _AUDIT_FILE = "metrics.json", "results.json", "audit.json"


def report(
    out: PathLike,
    *,
    store: Store | PathLike,
    runs: PathLike | None = None,
    exported: PathLike | None = None,
    results: Iterable[PathLike] = (),
    audit: PathLike | None = None,
) -> Path:
    """Writes an experiment as one HTML page that needs nothing else.

    The page shows real patches beside samples, so it stays inside the hospital, and
    says so. It names the parts that are missing.

    Args:
        out: The page to make, such as `report.html`.
        store: The store of the experiment.
        runs: Folder of its runs, or one run.
        exported: Folder of its exported models.
        results: Folders that `gan_train` and `image_metrics` have written.
        audit: Folder that `audit` has written.

    Returns:
        The page.

    Raises:
        InputError: `out` exists, a part is not what it should be or is damaged, or it
            is about another split than the store's.

    Example:
        >>> page = gg.report("again.html", store="stores/phantom", runs="runs",
        ...                  exported="exported", results=["results/phantom"],
        ...                  audit="audits/phantom")
        >>> page.read_text()[:15]
        '<!doctype html>'
    """
    out = Path(out)
    refuse_existing(out)
    store = store if isinstance(store, Store) else Store.open(store)
    missing: list[str] = []
    models = _models(exported, store, missing)
    found = _results([Path(folder) for folder in results], store, missing)
    page = page_template(_TEMPLATE_FILE).render(
        store=store,
        warning=None if store.is_synthetic else SHOWS_PATIENTS,
        counts=count_sets(store),
        classes=_patches(store, models),
        runs=_runs(runs, store, missing),
        gan_train=[_gan_train_tables(result) for result in found[_RESULTS_FILE]],
        paper=_paper_tables(),
        image_metrics=[
            table for result in found[_METRICS_FILE] for table in _metric_tables(result)
        ],
        audit=_audit(audit, store, missing),
        models=[model.card for model in models],
        hashes={model.card["name"]: model.model_hash for model in models},
        missing=missing,
        version=__version__,
    )
    make_folder(out.parent)
    with private_files(out.parent), new_file(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return out


def _models(
    exported: PathLike | None, store: Store, missing: list[str]
) -> list[ExportedModel]:
    if exported is None:
        missing.append("Samples: no exported models were given (--exported).")
        return []
    models, notes = find_models([exported], split_hash=store.split_hash)
    missing += notes
    if not models:
        missing.append(f"Samples: {exported} has no model of this store's split.")
    return models


def _patches(store: Store, models: Sequence[ExportedModel]) -> list[dict[str, Any]]:
    """Returns for each class a sheet of real training patches, and of each model."""
    size = min([model.resolution for model in models], default=None)
    warning = "" if store.is_synthetic else f" {SHOWS_PATIENTS}"
    classes = []
    for target, name in zip(_TARGETS, (store.positive, store.negative), strict=True):
        stream = rng.stream(0, "report.patches")
        patches = spread_patches(store, target, "train", _NUM_PATCHES, stream=stream)
        sheets = []
        for model in models:
            if model.card["target"] != target:
                continue
            images = enlarge(model.generate(range(_NUM_PATCHES)), _PATCH_PX)
            model.close()
            sheets.append((model.card, png_uri(image_sheet(images, _NUM_PATCHES))))
        resolution = size or min(store.geometry.patch_size, 256)
        caption = f"{drawable(name, target)}: real training patches.{warning}"
        real = None
        if len(patches):
            images = enlarge(store.read(patches, resolution), _PATCH_PX)
            real = png_uri(image_sheet(images, _NUM_PATCHES, caption=caption))
        classes.append(
            {
                "name": name,
                "resolution": resolution,
                "patients": len(
                    {store.images[store.patch_image[i]].patient for i in patches}
                ),
                "real": real,
                "models": sheets,
            }
        )
    return classes


def _runs(
    runs: PathLike | None, store: Store, missing: list[str]
) -> list[dict[str, Any]]:
    if runs is None:
        missing.append("Training: no runs were given (--runs).")
        return []
    path = Path(runs)
    opened = [Run.open(path)] if (path / "run.json").is_file() else list_runs(path)
    described = []
    for run in opened:
        if run.metadata["split_hash"] != store.split_hash:
            missing.append(
                f"Training: {run.path.name} was skipped: it was trained on another "
                "split than this store's."
            )
            continue
        metrics = run.metrics()
        curves, last_values = draw_curves(metrics) if metrics else (None, [])
        described.append(
            {
                "summary": run.summary,
                "curves": curves,
                "last_values": last_values,
                "sheets": _sheets(run),
                "config": yaml.safe_dump(run.metadata["config"], sort_keys=False),
                "environment": run.metadata["environment"],
                "seed": run.metadata["seed"],
            }
        )
    if not described:
        missing.append(f"Training: {runs} has no run of this store's split.")
    return described


def _sheets(run: Run) -> list[dict[str, Any]]:
    """Returns the last sheet of every resolution that the run has reached."""
    schedule = run.recipe.schedule
    last = {}
    for num_images, path in run.sheets().items():
        for stage in schedule.stages:
            if num_images > schedule.images_before(stage.first_step):
                resolution = stage.resolution
        last[resolution] = num_images, path
    sheets = []
    for resolution, (num_images, path) in last.items():
        with refused_if_damaged(path, "Remove it."), Image.open(path) as picture:
            uri = png_uri(shrunk_sheet(picture.convert("L")))
        sheets.append({"resolution": resolution, "num_images": num_images, "uri": uri})
    return sheets


def _results(
    folders: Sequence[Path], store: Store, missing: list[str]
) -> dict[str, list[dict[str, Any]]]:
    """Returns the results of GAN-train and of image metrics by their file's name."""
    found: dict[str, list[dict[str, Any]]] = {_RESULTS_FILE: [], _METRICS_FILE: []}
    for folder in folders:
        name = _METRICS_FILE if (folder / _METRICS_FILE).is_file() else _RESULTS_FILE
        if name == _RESULTS_FILE:
            result = GanTrainResult.open(folder).results
            split_hash = result["store"]["split_hash"]
        else:
            result = read_json(folder / name)
            with refused_if_damaged(folder / name, "Repeat `image-metrics`."):
                split_hash = result["split_hash"]
        _refuse_other_split(folder, split_hash, store)
        found[name].append(result)
    if not found[_RESULTS_FILE]:
        missing.append("GAN-train: no result was given (--results).")
    if not found[_METRICS_FILE]:
        missing.append("Image metrics: no result of `image-metrics` (--results).")
    return found


def _refuse_other_split(path: object, split_hash: str, store: Store) -> None:
    if split_hash != store.split_hash:
        raise InputError(
            f"{path} is about another split than {store.path}; give the parts of one "
            "experiment."
        )


def _gan_train_tables(result: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the rows of each extractor, with the paper's HM where it has one."""
    tables = []
    with refused_if_damaged("a result of GAN-train", "Repeat `gan-train`."):
        for evaluation in result["extractors"]:
            name = evaluation["extractor"]["name"]
            network = PAPER_NETWORKS.get(name)
            paper = {
                row.training_data: f"{row.harmonic_mean:.3f}"
                for row in PAPER_TABLES.get(network or "", ())
            }
            rows = [
                [
                    row["name"]
                    + (f", {row['num_runs']} runs" if row["num_runs"] > 1 else ""),
                    *(
                        metric_cell(row, key)
                        for key in ("sensitivity", "specificity", "harmonic_mean")
                    ),
                    metric_cell(row, "auc"),
                    *([paper.get(row["name"], "-")] if network else []),
                ]
                for row in rows_over_runs(evaluation)
            ]
            columns = ["Training data", "sensitivity", "specificity"]
            columns += ["harmonic mean (HM)", "AUC"]
            columns += ["HM in the paper"] if network else []
            tables.append(
                {
                    "title": extractor_title(evaluation["extractor"]),
                    "columns": columns,
                    "rows": rows,
                }
            )
        return {
            "tables": tables,
            "conclusion": gan_train_conclusion(result),
            **{key: result[key] for key in ("store", "protocol", "code")},
        }


def _paper_tables() -> list[dict[str, Any]]:
    columns = ["Training data", "sensitivity", "specificity", "harmonic mean (HM)"]
    return [
        {
            "network": network,
            "columns": columns,
            "rows": [[row[0], *(f"{value:.3f}" for value in row[1:])] for row in rows],
        }
        for network, rows in PAPER_TABLES.items()
    ]


def _metric_tables(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns a table per class and kind of metric; the floor is the last row."""
    tables = []
    with refused_if_damaged("a result of image metrics", "Repeat `image-metrics`."):
        for target, about in result["classes"].items():
            kinds = {
                "sliced Wasserstein distance": result["pixels"][target]["swd"],
                "diversity": result["pixels"][target]["diversity"],
            } | {
                extractor_title(entry["extractor"]): entry["metrics"][target]
                for entry in result["extractors"]
            }
            for kind, summary in kinds.items():
                metrics = list(summary[REAL])
                rows = [
                    [name, *(metric_number(values[metric]) for metric in metrics)]
                    for name, values in sorted(
                        summary.items(), key=lambda item: item[0] == REAL
                    )
                ]
                rows[-1][0] = f"{REAL} (floor)"
                tables.append(
                    {
                        "class": about["class_name"],
                        "kind": kind,
                        "patches": about["num_patches_per_set"],
                        "columns": ["Patches", *map(metric_name, metrics)],
                        "rows": rows,
                    }
                )
    return tables


def _audit(
    audit: PathLike | None, store: Store, missing: list[str]
) -> dict[str, Any] | None:
    if audit is None:
        missing.append("Privacy: no audit was given (--audit).")
        return None
    result = read_verdict(audit)
    _refuse_other_split(audit, result.split_hash, store)
    document = read_json(result.metrics)
    with refused_if_damaged(result.metrics, "Repeat the audit."):
        decisions = [
            [
                f"{generator['name']}, version {generator['version']}",
                decision["test"],
                decision["verdict"],
                decision["reason"],
            ]
            for generator in document["generators"]
            for decision in generator["decisions"]
        ]
    return {"result": result, "decisions": decisions}
