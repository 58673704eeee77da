"""What a command does with a whole experiment, as one call.

A function takes an experiment (a config, or the path of its file) and a store (or its
path), checks that they belong together, and gives each room of the package its own
section; notebook and command line share it. Paths are `str` or `os.PathLike`. Whatever
cannot be used raises `InputError`, a sentence that names what is wrong, where, and the
way out; nothing is left half written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gastritis_gan.config import ExperimentConfig, config_to_dict, load_config
from gastritis_gan.storage import private_folder, refuse_existing
from gastritis_gan.store.pseudonym import key_path_of, read_key
from gastritis_gan.store.store import Store, check_store_fits
from gastritis_gan.training.training_settings import ModelName, Target

if TYPE_CHECKING:
    from gastritis_gan.evaluation.results import GanTrainResult, ImageMetricsResult
    from gastritis_gan.privacy.verdict import AuditResult
    from gastritis_gan.serving.exported_model import ExportedModel
    from gastritis_gan.training.run import Run

    Model = ExportedModel | str | os.PathLike[str]
    Models = Model | Iterable[Model]

PathLike = str | os.PathLike[str]
Config = ExperimentConfig | PathLike
Weights = PathLike | Mapping[str, PathLike] | None
_Result = TypeVar("_Result", "GanTrainResult", "ImageMetricsResult")

_log = logging.getLogger(__name__)


def prepare(
    cohort: PathLike,
    config: Config,
    out: PathLike,
    *,
    workers: int | None = None,
    window: int | str | None = None,
    key: PathLike | None = None,
    discard_key: bool = False,
) -> Store:
    """Decodes and de-identifies a cohort: a store, split by patient.

    After an interruption the same call resumes; on a finished store it only checks
    that its inputs are still the same.

    Args:
        cohort: A `cohort.csv`, or the folder that holds it.
        config: The experiment; its sections `cohort`, `patches` and `split` are used.
        out: The store to make.
        workers: Processes that decode images; by default one for each CPU core.
        window: Which of several windows or VOI LUTs a DICOM file is shown with: its
            number, from 1, or its explanation; the first by default.
        key: File of the secret key of its pseudonyms, made if it is missing; by default
            `NAME.key` beside the store.
        discard_key: Remove the key once the store is finished.

    Raises:
        CohortError: An image, an outline or a row cannot be used; the message names
            files, its attribute `public` only the row.
        InputError: The config or the folder cannot be used.

    Example:
        >>> store = gg.prepare("cohorts/phantom", "configs/phantom.yaml", "stores/new")
        >>> store.positive, store.negative, len(store.images)
        ('gastritis', 'non_gastritis', 12)
    """
    from gastritis_gan.store.prepare import prepare_cohort

    config, _ = _read(config)
    return prepare_cohort(
        cohort,
        out,
        settings=config.cohort,
        geometry=config.patches,
        split=config.split,
        workers=workers,
        window=window,
        key=key,
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
    return Store.open(path)


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
        resume: Resume from the newest checkpoint. The config may give a longer last
            stage, other learning rates and other bookkeeping.
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
    config, store = _experiment(config, store)

    from gastritis_gan.training.fit import fit as train  # TensorFlow loads here

    return train(
        config.training_sections,
        store,
        model=model,
        target=target,
        out=out,
        resume=resume,
        branch_from=branch_from,
        document=config_to_dict(config),
    )


def forecast(
    config: Config, store: Store | PathLike, *, model: ModelName, target: Target
) -> str:
    """Measures what every stage of a training will cost, from a few steps of each.

    Args:
        config: As of `fit`.
        store: As of `fit`.
        model: As of `fit`.
        target: As of `fit`.

    Returns:
        A table: time, memory and disk of each stage.

    Raises:
        InputError: As `fit`.

    Example:
        >>> table = gg.forecast("configs/phantom.yaml", "stores/phantom",
        ...                     model="lc_pggan", target="positive")
        >>> print(table.splitlines()[2])  # doctest: +ELLIPSIS
        | ... | stable | ...
    """
    config, store = _experiment(config, store)

    from gastritis_gan.training.forecast import forecast as measure

    return measure(config.training_sections, store, model=model, target=target)


def open_run(path: PathLike) -> Run:
    """Opens the folder of a run, finished or not.

    Args:
        path: The folder that `fit` made.

    Raises:
        InputError: It is not a run, or has another format.

    Example:
        >>> run = gg.open_run("runs/lc_positive")
        >>> run
        Run('runs/lc_positive', lc_pggan of positive, finished)
    """
    from gastritis_gan.training.run import Run

    return Run.open(path)


def gan_train(
    config: Config,
    store: Store | PathLike,
    models: Models = (),
    *,
    out: PathLike | None = None,
    weights: Weights = None,
    cache: PathLike | None = None,
) -> GanTrainResult:
    """Measures GAN-train: train a classifier on samples, test it on real patients.

    For every row of the paper's tables that has generators, and for real data, an SVM
    is trained on features of patches of both classes; it classifies the patches of
    every test image, and their majority decides the image (paper, section IV-A).

    Args:
        config: The experiment that prepared the store; its section `evaluation`.
        store: Whose test patients judge.
        models: Exported models, or folders of them (`exported`, `exported/NAME` or
            `exported/NAME/1`); models of another split are left out with a note.
            Without any there is only the row of real data.
        out: Folder to make for the result, as `result.save(out)` does.
        weights: ImageNet weights of pretrained extractors: a folder with Keras' own
            files, or a mapping from extractor to .h5 file; by default Keras downloads
            them.
        cache: Folder that keeps features, so that a call that was killed resumes; by
            default `feature-cache` beside `out`.

    Returns:
        The result: `table` (Markdown), `results` (all numbers), `save(folder)`.

    Raises:
        InputError: The parts do not belong together, or weights cannot be had.

    Example:
        >>> result = gg.gan_train("configs/phantom.yaml", "stores/phantom", "exported")
        >>> [row["name"] for row in result.results["extractors"][0]["rows"]]
        ['LC-PGGAN', 'Real data (Ideal)']
    """
    from gastritis_gan.evaluation import protocol

    return _evaluate(protocol.gan_train, config, store, models, out, weights, cache)


def image_metrics(
    config: Config,
    store: Store | PathLike,
    models: Models,
    *,
    out: PathLike | None = None,
    weights: Weights = None,
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
        The result: `table` (Markdown), `results` (all numbers), `save(folder)`.

    Raises:
        InputError: As `gan_train`, or there is no model of the store's split.

    Example:
        >>> result = gg.image_metrics("configs/phantom.yaml", "stores/phantom",
        ...                           "exported/phantom_lc_positive")
        >>> list(result.results["classes"])
        ['positive']
    """
    from gastritis_gan.evaluation import protocol

    return _evaluate(protocol.image_metrics, config, store, models, out, weights, cache)


def audit(  # noqa: PLR0913 - what is audited, how, and by whom
    config: Config,
    store: Store | PathLike,
    models: Models,
    *,
    out: PathLike,
    runs: Iterable[Run | PathLike] = (),
    weights: Weights = None,
    key: PathLike | None = None,
    by: str = "",
) -> AuditResult:
    """Measures memorisation and membership, patient by patient, and decides.

    The verdict is `pass`, `fail` or `undecided`; its hash goes into the models' cards.
    An audit that was interrupted resumes.

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
        key: File of the store's key, which seals the verdict; by default
            `NAME.key` beside the store, if it is there.
        by: Who runs the audit, for its report.

    Returns:
        The verdict, its reasons, and where the report is.

    Raises:
        InputError: The parts do not belong together, or the folder exists.

    Example:
        >>> result = gg.audit("configs/phantom.yaml", "stores/phantom", "exported",
        ...                   out="audits/again")
        >>> result.verdict
        'undecided'
    """
    from gastritis_gan.evaluation.weights import find_weights
    from gastritis_gan.privacy.audit import audit as run_audit

    config, store = _experiment(config, store)
    key_path = Path(key) if key else key_path_of(store.path)
    secret = read_key(key_path) if key or key_path.exists() else None
    if secret is not None:
        store.check_key(secret)
    files = find_weights(weights, config.audit.extractors)
    refuse_existing(Path(out))
    found, notes = _find_models(models, store)
    opened = [
        open_run(run) if isinstance(run, str | os.PathLike) else run for run in runs
    ]
    return run_audit(
        store,
        found,
        config.audit,
        out=out,
        weights=files,
        discriminators=[
            pair
            for run in opened
            for pair in run.discriminators(model.card for model in found)
        ],
        notes=notes,
        key=secret,
        by=by,
    )


def _evaluate(
    measure: Callable[..., _Result],
    config: Config,
    store: Store | PathLike,
    models: Models,
    out: PathLike | None,
    weights: Weights,
    cache: PathLike | None,
) -> _Result:
    from gastritis_gan.evaluation.weights import find_weights

    config, store = _experiment(config, store)
    files = find_weights(weights, config.evaluation.extractors)
    if out is not None:
        refuse_existing(Path(out))
    found, notes = _find_models(models, store)
    cache = Path(cache or Path(out or ".").parent / "feature-cache")
    with private_folder(cache):
        result = measure(
            store,
            found,
            config.evaluation,
            resolution=config.schedule.final_resolution,
            cache=cache,
            weights=files,
            notes=notes,
        )
    if out is not None:
        result.save(out)
    return result


def _read(config: Config) -> tuple[ExperimentConfig, str]:
    """Returns the experiment, and what messages call it."""
    if isinstance(config, ExperimentConfig):
        return config, "the config"
    return load_config(config), str(config)


def _store(store: Store | PathLike) -> Store:
    return store if isinstance(store, Store) else Store.open(store)


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


def _find_models(models: Models, store: Store) -> tuple[list[ExportedModel], list[str]]:
    """Returns opened models of the store's split, and notes on those left out."""
    from gastritis_gan.serving.exported_model import ExportedModel, find_models

    if isinstance(models, str | os.PathLike | ExportedModel):
        models = [models]
    found, notes = find_models(
        [
            Path(model.path if isinstance(model, ExportedModel) else model)
            for model in models
        ],
        split_hash=store.split_hash,
    )
    for note in notes:
        _log.warning(note)
    return found, notes
