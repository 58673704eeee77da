"""Everything that a command does, as one call: what notebook and command line share.

A function takes the whole experiment (a config, or the path of its file) and a store
(or its path), checks that they belong together, and gives each room of the package its
own section. Paths are `str` or `os.PathLike`. Whatever cannot be used raises
`InputError` with a sentence that names what is wrong, where, and the way out; nothing
is left half written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gastritis_gan.config import ExperimentConfig
from gastritis_gan.config import load_config as _load_config
from gastritis_gan.errors import InputError
from gastritis_gan.names import ModelName, Target
from gastritis_gan.store.store import Store, check_store_fits

if TYPE_CHECKING:
    from gastritis_gan.cohort.draft import CohortDraft
    from gastritis_gan.evaluation.protocol import GanTrainResult, ImageMetricsResult
    from gastritis_gan.privacy.audit import AuditResult
    from gastritis_gan.serving.exported_model import ExportedModel
    from gastritis_gan.serving.remote import RemoteModel
    from gastritis_gan.training.forecast import Forecast
    from gastritis_gan.training.run import Run

__all__ = [
    "ExperimentConfig",
    "InputError",
    "Store",
    "audit",
    "compare",
    "draft_cohort",
    "fit",
    "forecast",
    "gan_train",
    "image_metrics",
    "inspect_store",
    "list_runs",
    "load_config",
    "make_phantom",
    "open_model",
    "open_run",
    "open_store",
    "prepare",
    "release",
    "sample",
    "verify",
]

PathLike = str | os.PathLike[str]
Config = ExperimentConfig | PathLike


def load_config(path: PathLike) -> ExperimentConfig:
    """Reads an experiment file.

    Args:
        path: YAML file; `configs/` of the repository has examples.

    Returns:
        The experiment, every default filled in; its `repr` shows all keys.

    Raises:
        InputError: The file cannot be read, or holds an unknown key, a wrong type or
            an impossible value; the message names the key and the rule.

    Example:
        >>> config = gg.load_config("configs/phantom.yaml")
        >>> config.cohort.positive, config.schedule.final_resolution
        ('gastritis', 16)
    """
    return _load_config(Path(path))


def make_phantom(
    out: PathLike, *, patients: int = 40, image_size: int = 1024, seed: int = 0
) -> Path:
    """Draws an artificial cohort to try everything on: DICOM, outlines, `cohort.csv`.

    Args:
        out: Folder to make; it must not exist.
        patients: Number of patients, one image each; even, half have gastritis.
        image_size: Side of the square images in pixels, 256 to 4096.
        seed: Equal seeds give equal cohorts.

    Returns:
        The folder.

    Raises:
        InputError: The folder exists, or a number is out of its range.

    Example:
        >>> cohort = gg.make_phantom("cohorts/tiny", patients=2, image_size=256)
        >>> sorted(path.name for path in cohort.iterdir())
        ['cohort.csv', 'images', 'outlines']
    """
    from gastritis_gan.phantom.cohort import make_phantom as make

    make(Path(out), patients=patients, image_size=image_size, seed=seed)
    return Path(out)


def draft_cohort(folder: PathLike, csv_path: PathLike) -> CohortDraft:
    """Drafts a `cohort.csv` from the DICOM headers below a folder.

    The labels are left to fill in. The draft names patients: keep it inside the
    hospital.

    Args:
        folder: Where the DICOM files are.
        csv_path: File to make; its paths are relative to it.

    Returns:
        The rows, and the files that were left out, each with the reason.

    Raises:
        InputError: A file exists already, or the folder holds no image.

    Example:
        >>> draft = gg.draft_cohort("cohorts/phantom", "cohorts/phantom/draft.csv")
        >>> len(draft.rows)
        12
    """
    from gastritis_gan.cohort.draft import draft_cohort as draft

    return draft(Path(folder), Path(csv_path))


def prepare(
    cohort: PathLike,
    config: Config,
    out: PathLike,
    *,
    workers: int | None = None,
    window: int | str | None = None,
    discard_key: bool = False,
) -> Store:
    """Decodes and de-identifies a cohort: a store, split by patient.

    After an interruption the same call resumes; on a finished store it only checks
    that its inputs are still the same.

    Args:
        cohort: A `cohort.csv`, or the folder that holds it.
        config: The experiment; its sections `cohort`, `patches` and `split` are used.
        out: The store to make. The key of its pseudonyms is written beside it.
        workers: Processes that decode images; by default one for each CPU core.
        window: Which of several windows or VOI LUTs a DICOM file is shown with: its
            number, from 1, or its explanation; the first by default.
        discard_key: Remove the key once the store is finished.

    Raises:
        CohortError: An image, an outline or a row cannot be used; the message names
            files, its attribute `public` only the row.
        InputError: The config or the folder cannot be used.

    Example:
        >>> store = gg.prepare("cohorts/phantom", "configs/phantom.yaml", "stores/again")
        >>> store.positive, store.negative, len(store.images)
        ('gastritis', 'non_gastritis', 12)
    """
    from gastritis_gan.store.prepare import prepare_cohort

    config, _ = _read(config)
    return prepare_cohort(
        Path(cohort),
        Path(out),
        settings=config.cohort,
        geometry=config.patches,
        split=config.split,
        workers=workers,
        window=window,
        discard_key=discard_key,
    )


def open_store(path: PathLike) -> Store:
    """Opens a store that `prepare` has made, and checks that it is whole.

    Args:
        path: Folder of the store.

    Raises:
        InputError: It is not a store, is damaged, or has another format.

    Example:
        >>> store = gg.open_store("stores/phantom")
        >>> patches = store.patch_set("positive", "test")
        >>> images = store.read(patches, resolution=16)
        >>> images.dtype, images.shape[1:]
        (dtype('uint8'), (16, 16, 1))
    """
    return Store.open(Path(path))


def inspect_store(store: Store | PathLike, out: PathLike) -> list[str]:
    """Counts what a store holds and draws contact sheets of its images.

    Args:
        store: The store. The sheets show patients' images: keep them where it is kept.
        out: Folder to make: `inspection.md`, `counts.json`, `sheet_*.png`.

    Returns:
        A sentence on each pair of images that two patients share.

    Raises:
        InputError: The folder exists, or the store cannot be read.

    Example:
        >>> gg.inspect_store("stores/phantom", "inspections/phantom")
        []
    """
    from gastritis_gan.store.inspect import inspect_store as inspect

    return inspect(_store(store), Path(out))


def fit(
    config: Config,
    store: Store | PathLike,
    *,
    model: ModelName,
    target: Target,
    out: PathLike,
    resume: bool = False,
    branch_from: PathLike | None = None,
) -> Run:
    """Trains one generator on one class.

    Killed and resumed is bit for bit never killed.

    Args:
        config: The experiment that prepared the store.
        store: Where the patches come from.
        model: `"pggan"`, `"lc_pggan"` (the paper's Eq. 5 from
            `objective.lc_resolution` on) or `"dcgan"`.
        target: The class to imitate, `"positive"` or `"negative"`.
        out: Folder of the run: a new one, or with `resume` that of the same run.
        resume: Resume from the newest checkpoint.
        branch_from: A pggan run; an lc_pggan run starts from its last checkpoint
            before `objective.lc_resolution`, where the two are the same.

    Raises:
        InputError: The parts do not belong together, a patch set is empty, the folder
            exists (or, with `resume`, is another run), or training broke down.
        RunInterruptedError: SIGINT or SIGTERM came; a checkpoint was left.

    Example:
        >>> run = gg.fit("configs/phantom.yaml", "stores/phantom", model="pggan",
        ...              target="negative", out="runs/pggan_negative")
        >>> run.summary.state, run.summary.resolution
        ('finished', 16)
    """
    from gastritis_gan.training.run import fit as train

    config, store = _experiment(config, store)
    return train(
        config.training_sections(),
        store,
        model=model,
        target=target,
        out=Path(out),
        resume=resume,
        branch_from=None if branch_from is None else Path(branch_from),
    )


def forecast(
    config: Config, store: Store | PathLike, *, model: ModelName, target: Target
) -> Forecast:
    """Measures what every stage of a training will cost, from a few steps of each.

    Args:
        config: As of `fit`.
        store: As of `fit`.
        model: As of `fit`.
        target: As of `fit`.

    Returns:
        Time, memory and disk; its `str` is the table that `fit --dry-run` prints.

    Raises:
        InputError: As `fit`.
    """
    from gastritis_gan.training.forecast import forecast as measure

    config, store = _experiment(config, store)
    return measure(config.training_sections(), store, model=model, target=target)


def open_run(path: PathLike) -> Run:
    """Opens the folder of a run, finished or not.

    Args:
        path: The folder that `fit` made.

    Raises:
        InputError: It is not a run, or has another format.

    Example:
        >>> run = gg.open_run("runs/lc_positive")
        >>> run.metadata["model"], run.summary.state
        ('lc_pggan', 'finished')
    """
    from gastritis_gan.training.run import Run

    return Run.open(Path(path))


def list_runs(folder: PathLike = "runs") -> list[Run]:
    """Returns the runs in a folder, by name.

    Args:
        folder: Where runs are.

    Raises:
        InputError: There is no such folder, or no run in it.

    Example:
        >>> [run.name for run in gg.list_runs("runs")][:2]
        ['lc_negative', 'lc_positive']
    """
    from gastritis_gan.training.run import list_runs as list_them

    return list_them(Path(folder))


def open_model(
    where: PathLike,
    name: str | None = None,
    *,
    version: int | None = None,
    label: str | None = None,
) -> ExportedModel | RemoteModel:
    """Opens an exported model; equal seeds give equal images wherever it is.

    Args:
        where: A folder, `exported/<name>` or `exported/<name>/<version>`, which needs
            TensorFlow; or the address of a server's REST port, which does not.
        name: Name of the model on the server.
        version: Which version; the highest by default.
        label: Which version on a server, by its label.

    Raises:
        InputError: The model is not there or is damaged, or the arguments do not fit
            together.

    Example:
        >>> model = gg.open_model("exported/phantom_lc_positive")
        >>> images = model.generate(seeds=range(16))  # values 0 to 255
        >>> images.dtype, images.shape
        (dtype('uint8'), (16, 16, 16, 1))
    """
    from gastritis_gan.serving.open_model import open_model as open_it

    return open_it(where, name, version=version, label=label)


def gan_train(
    config: Config,
    store: Store | PathLike,
    models: Models = (),
    *,
    out: PathLike | None = None,
    weights: Mapping[str, PathLike] | None = None,
    cache: PathLike | None = None,
) -> GanTrainResult:
    """Measures GAN-train: train a classifier on samples, test it on real patients.

    For every row of the paper's tables that has generators, and for real data, an SVM
    is trained on features of patches of both classes; it classifies the patches of
    every test image, and their majority decides the image (paper, section IV-A).

    Args:
        config: The experiment that prepared the store; its section `evaluation`.
        store: Whose test patients judge.
        models: Exported models, opened or as folders (`exported/` with all models in
            it, or one); models of another split are left out with a note. Without any
            there is only the row of real data.
        out: Folder to write the result to, as `result.save(out)` does.
        weights: ImageNet weights (.h5) by extractor; Keras' own download by default.
        cache: Folder that keeps features, so that a second call is quick; by default
            `feature-cache` beside `out`, or in the working folder.

    Returns:
        The result: `table` (Markdown), `results` (all numbers), `notes`.

    Raises:
        InputError: The parts do not belong together, or weights cannot be had.

    Example:
        >>> result = gg.gan_train("configs/phantom.yaml", "stores/phantom", "exported")
        >>> [row["row"] for row in result.results["extractors"][0]["rows"]]
        ['LC-PGGAN', 'Real data (Ideal)']
    """
    from gastritis_gan.evaluation import protocol

    config, store = _experiment(config, store)
    _refuse_existing(out)
    found, notes = _find_models(models, store)
    result = protocol.gan_train(
        store,
        found,
        config.evaluation,
        resolution=protocol.common_resolution(
            found, store, default=config.schedule.final_resolution
        ),
        cache=_cache_folder(cache, out),
        weights=_paths(weights),
        notes=notes,
    )
    if out is not None:
        result.save(Path(out))
    return result


def image_metrics(
    config: Config,
    store: Store | PathLike,
    models: Models,
    *,
    out: PathLike | None = None,
    weights: Mapping[str, PathLike] | None = None,
    cache: PathLike | None = None,
) -> ImageMetricsResult:
    """Measures how near samples are to real patches, beside a floor.

    Fréchet and kernel distance, sliced Wasserstein distance, precision, recall,
    density, coverage and diversity, of each generator against the training patients'
    patches of its class; the floor compares halves of these patients.

    Args:
        config: As of `gan_train`.
        store: As of `gan_train`.
        models: As of `gan_train`, at least one.
        out: As of `gan_train`.
        weights: As of `gan_train`.
        cache: As of `gan_train`.

    Returns:
        The result: `table` (Markdown), `results` (all numbers), `notes`.

    Raises:
        InputError: As `gan_train`, or there is no model of the store's split.
    """
    from gastritis_gan.evaluation import protocol

    config, store = _experiment(config, store)
    _refuse_existing(out)
    found, notes = _find_models(models, store)
    result = protocol.image_metrics(
        store,
        found,
        config.evaluation,
        resolution=protocol.common_resolution(
            found, store, default=config.schedule.final_resolution
        ),
        cache=_cache_folder(cache, out),
        weights=_paths(weights),
        notes=notes,
    )
    if out is not None:
        result.save(Path(out))
    return result


def audit(
    config: Config,
    store: Store | PathLike,
    models: Models,
    *,
    out: PathLike,
    runs: Iterable[Run | PathLike] = (),
    weights: Mapping[str, PathLike] | None = None,
) -> AuditResult:
    """Measures memorisation and membership, patient by patient, and decides.

    The verdict is `pass`, `fail` or `undecided`; its hash goes into the cards of
    models that were given as folders. An interrupted audit resumes.

    Args:
        config: The experiment that prepared the store; its section `audit` has effort
            and thresholds.
        store: The store that the models were trained on.
        models: As of `gan_train`: exactly those that a release will use.
        out: Folder to make. It shows training patients' patches: it must stay inside
            the hospital.
        runs: The models' runs, for the attack of somebody who also has the
            discriminator; it does not decide.
        weights: As of `gan_train`.

    Returns:
        Verdict, reasons, and where the report is.

    Raises:
        InputError: The parts do not belong together, or the folder exists.
    """
    from gastritis_gan.privacy.audit import audit as run_audit

    config, store = _experiment(config, store)
    _refuse_existing(out)
    found, notes = _find_models(models, store)
    return run_audit(
        store,
        found,
        config.audit,
        out=Path(out),
        discriminators=[
            (run.metadata, run.discriminator())
            for run in (run if _is_run(run) else open_run(run) for run in runs)
        ],
        weights=_paths(weights),
        notes=notes,
    )


def compare(first: PathLike, second: PathLike) -> str:
    """Compares two results of `gan_train`, row by row, on the same test images.

    Args:
        first: Folder that `gan_train` wrote.
        second: Another, of the same store.

    Returns:
        Markdown tables: HM in each, the difference (first - second) with its 95 %
        interval on the same resamples of the patients, and McNemar's test by patient.

    Raises:
        InputError: One is not a result, or they have other test images.
    """
    from gastritis_gan.evaluation.compare import compare_results, read_result

    return compare_results(read_result(Path(first)), read_result(Path(second)))


def release(
    models: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    per_class: int = 100,
    counts: Mapping[str, int] | None = None,
    paper_mix: bool = False,
    image_format: Literal["png", "tfrecord", "dicom"] = "png",
    seed: int = 0,
    truncation: float = 1.0,
    audit: PathLike | None = None,
    accept_risk: str | None = None,
    results: PathLike | None = None,
    title: str = "Synthetic gastric radiographs",
    licence: str = "",
) -> Path:
    """Gathers samples of exported models into a folder that can be published.

    Args:
        models: Folders of exported models, or of one.
        out: Folder to make: images, manifest, datasheet, checksums.
        per_class: Images of each class, shared out evenly to the class's models.
        counts: Images of each model by name, instead of `per_class`.
        paper_mix: The paper's best mix: half LC-PGGAN, half PGGAN, for each class.
        image_format: How images are written.
        seed: Seed of the first image; every image has one of its own.
        truncation: Variety: 1 as trained, 0 the same image for every seed.
        audit: Folder of the audit of exactly these models; it must have passed.
        accept_risk: Release without a passing audit; the datasheet quotes this reason.
        results: Folder that `gan_train` wrote on these models, for the datasheet.
        title: Title of the datasheet.
        licence: Such as CC-BY-4.0; none by default.

    Returns:
        The folder.

    Raises:
        InputError: Models, audit and results do not belong together, there is neither
            a passing audit nor a reason, or the folder exists.

    Example:
        >>> folder = gg.release("exported", "releases/tiny", per_class=4,
        ...                     accept_risk="the cohort is artificial")
        >>> (folder / "DATASHEET.md").is_file()
        True
    """
    from gastritis_gan.releases.release import release as write_release

    return write_release(
        [Path(path) for path in _several(models)],
        Path(out),
        per_class=per_class,
        counts=counts,
        paper_mix=paper_mix,
        image_format=image_format,
        seed=seed,
        truncation=truncation,
        audit=None if audit is None else Path(audit),
        accept_risk=accept_risk,
        results=None if results is None else Path(results),
        title=title,
        licence=licence,
    )


def _read(config: Config) -> tuple[ExperimentConfig, str]:
    """Returns the experiment, and what messages call it."""
    if isinstance(config, ExperimentConfig):
        return config, "the config"
    return load_config(config), str(config)


def _store(store: Store | PathLike) -> Store:
    return store if isinstance(store, Store) else open_store(store)


def _experiment(
    config: Config, store: Store | PathLike
) -> tuple[ExperimentConfig, Store]:
    """Returns an experiment and a store that was prepared with it.

    Raises:
        InputError: One of them cannot be read, or they do not belong together.
    """
    config, name = _read(config)
    store = _store(store)
    check_store_fits(
        store,
        cohort=config.cohort,
        patches=config.patches,
        split=config.split,
        config_name=name,
    )
    return config, store


def _several(values: Any) -> list[Any]:
    single = isinstance(values, str | os.PathLike) or hasattr(values, "generate")
    return [values] if single else list(values)


def _find_models(models: Models, store: Store) -> tuple[list[Any], list[str]]:
    """Returns opened models of the store's split, and notes on those left out."""
    from gastritis_gan.serving.exported_model import find_models

    return find_models(
        [
            model.path if hasattr(model, "generate") else Path(model)
            for model in _several(models)
        ],
        split_hash=store.split_hash,
    )
