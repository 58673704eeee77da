"""The whole experiment as one chain of commands that Snakemake runs (`Snakefile`).

Snakemake decides what is up to date, what can run side by side, and where. Here is what
it cannot know: whether a folder belongs to this experiment, and what a step will cost.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from gastritis_gan.cohort.cohort import COHORT_FILE
from gastritis_gan.config import config_to_dict, load_config
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.results import GanTrainResult
from gastritis_gan.evaluation.weights import find_weights
from gastritis_gan.storage import PLAN_FILE, file_lock, make_folder, write_bytes
from gastritis_gan.store.store import STORE_FILE, Store, check_store_fits
from gastritis_gan.training.training_settings import ModelName
from gastritis_gan.typed_config import flat_keys
from gastritis_gan.workflow.steps import RULES, Step, branch_step, forecast_table

PathLike = str | os.PathLike[str]

_SNAKEFILE = Path(__file__).with_name("Snakefile")
_DONE, _LOGS, _LOCK = ".done", "logs", "lock"
_CONFIG_OF_RUN = "config.yaml"
_STORE, _RUNS, _RESULTS = "store", "runs", "results/gan_train"
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
_MAX_SEED = 2**31 - 1

_MODELS: tuple[ModelName, ...] = typing.get_args(ModelName)

# What a step depends on: these keys of the experiment, or those that begin so.
_PGGAN_KEYS = (
    "networks.",
    "schedule.",
    "objective.",
    "optimizer.",
    "augmentation.",
    "training.",
)
_KEYS = {
    "prepare": ("cohort.", "patches.", "split."),
    "pggan": _PGGAN_KEYS,
    "lc_pggan": _PGGAN_KEYS,
    "dcgan": (
        "networks.precision",
        "networks.jit_compile",
        "optimizer.epsilon",
        "augmentation.",
        "dcgan.",
        "training.",
    ),
    "evaluation": ("evaluation.",),
    "audit": ("audit.",),
}
_NOT_OF_PGGAN = ("objective.lc_resolution", "objective.lc_weight")
_SEED_KEY = "training.seed"  # of a run, one of the chain's seeds

# Options of Snakemake that decide how much runs at once, and where.
_PLACES = (
    "-c", "--cores", "-j", "--jobs", "-e", "--executor", "--profile",
)  # fmt: skip


def reproduce(
    config: PathLike,
    cohort: PathLike,
    out: PathLike,
    *,
    seeds: Sequence[int] = (0,),
    weights: PathLike | Mapping[str, PathLike] | None = None,
    engine_options: Sequence[str] = (),
) -> GanTrainResult | None:
    """Makes everything that an experiment can make of a cohort, in one folder.

    The store; a PGGAN, an LC-PGGAN that branches off it, and a DCGAN of both classes
    for every seed; exported models, samples, GAN-train and image metrics over all
    seeds, and an audit of every seed's generators. A step whose inputs are unchanged is
    skipped; after an interruption the same call resumes, and a training that was
    stopped or killed does so from its newest checkpoint.

    Args:
        config: The experiment file; its `training.seed` gives way to `seeds`.
        cohort: A `cohort.csv`, or the folder that holds it.
        out: Folder of the whole; a new one, or that of the same experiment.
        seeds: Training seeds: for each of them, all generators are trained.
        weights: ImageNet weights of pretrained extractors, as of `gan_train`.
        engine_options: Options of Snakemake, such as `["--executor", "slurm",
            "--jobs", "8"]`; by default the steps run here, on all cores.

    Returns:
        The result of GAN-train over all seeds, which is also in `out`; None where
        options of Snakemake, such as `["--until", "fit"]`, leave that step out.

    Raises:
        InputError: Snakemake is not installed, the parts do not belong together, `out`
            holds something else, or a step has failed.

    Example:
        >>> result = gg.reproduce(  # doctest: +SKIP
        ...     "configs/study_phantom.yaml", "cohorts/phantom", "studies/phantom",
        ...     seeds=(0, 1, 2))
    """
    chain = Chain(config, cohort, out, seeds=seeds, weights=weights)
    chain.run(engine_options)
    results = chain.out / _RESULTS
    return GanTrainResult.open(results) if results.is_dir() else None


def forecast_chain(
    config: PathLike,
    cohort: PathLike,
    out: PathLike,
    *,
    seeds: Sequence[int] = (0,),
    weights: PathLike | Mapping[str, PathLike] | None = None,
) -> str:
    """Lists the steps of `reproduce`, those that are done, and what the rest will cost.

    A few real steps of every stage of every model are timed on this machine, and a few
    patches in every extractor; without a store yet, on a few images of the cohort.

    Args:
        config: As of `reproduce`.
        cohort: As of `reproduce`.
        out: As of `reproduce`; nothing is written there.
        seeds: As of `reproduce`.
        weights: As of `reproduce`.

    Returns:
        A Markdown table, a line a step.

    Raises:
        InputError: As `reproduce`.

    Example:
        >>> print(gg.forecast_chain(  # doctest: +SKIP
        ...     "configs/study_phantom.yaml", "cohorts/phantom", "studies/phantom"))
    """
    chain = Chain(config, cohort, out, seeds=seeds, weights=weights)
    steps = chain.steps()
    is_prepared = any(step.rule == "prepare" and step.is_done for step in steps)
    store = chain.out / _STORE if is_prepared else None
    return forecast_table(steps, chain.config, cohort=chain.cohort, store_path=store)


class Chain:
    """One experiment on one cohort in one folder.

    Arguments as of `reproduce`.

    Attributes:
        config: The experiment.
        cohort: The cohort file.
        out: The folder.

    Raises:
        InputError: As `reproduce`, before anything is written.
    """

    def __init__(
        self,
        config: PathLike,
        cohort: PathLike,
        out: PathLike,
        *,
        seeds: Sequence[int],
        weights: PathLike | Mapping[str, PathLike] | None,
    ) -> None:
        _require_snakemake()
        self.config = load_config(config)
        self.cohort = _cohort_file(Path(cohort))
        self.out = Path(out).absolute()
        self._config_name = str(config)
        self._seeds = list(seeds)
        self._document = config_to_dict(self.config)
        self._check_seeds()
        self._check_sizes()
        self._weights = {
            section: _weights_options(weights, getattr(self.config, section).extractors)
            for section in ("evaluation", "audit")
        }
        self._check_folder()

    def steps(self) -> list[Step]:
        """Returns all steps, each after those that it needs; writes nothing to `out`.

        Raises:
            InputError: As `reproduce`.
        """
        # Snakemake reads plan and markers in its working folder, and records nothing.
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            if self.out.is_dir():
                for name in (_DONE, ".snakemake"):
                    if (self.out / name).is_dir():
                        shutil.copytree(self.out / name, place / name)
            self._write_plan(place)
            self._drop_markers(place / _DONE)
            done = _snakemake(["--summary"], place, stdout=subprocess.PIPE)
        if done.returncode:
            raise InputError("Snakemake cannot list the steps; its reason is above.")
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        columns = {name: number for number, name in enumerate(lines[0])}
        found = [
            Step(
                rule=line[columns["rule"]],
                path=line[columns["output_file"]].removeprefix(f"{_DONE}/"),
                is_done=line[columns["plan"]] == "no update",
            )
            for line in lines[1:]
        ]
        return sorted(found, key=lambda step: RULES.index(step.rule))

    def run(self, engine_options: Sequence[str]) -> None:
        """Runs every step that is not done.

        Raises:
            InputError: A step has failed, or another process works in the folder.
        """
        make_folder(self.out)
        refusal = f"another process is working in {self.out}; wait until it has ended."
        with file_lock(self.out / _LOCK, refusal=refusal) as lock:
            self._write_plan(self.out)
            self._drop_markers(self.out / _DONE)
            is_placed = any(_is_place(option) for option in engine_options)
            default = [] if is_placed else _all_cores()
            done = _snakemake([*default, *engine_options], self.out, lock=lock)
        if done.returncode:
            raise InputError(self._failure())

    def _check_seeds(self) -> None:
        seeds = self._seeds
        if (
            not seeds
            or len({*seeds}) < len(seeds)
            or not all(0 <= seed <= _MAX_SEED for seed in seeds)
        ):
            raise InputError(
                "seeds must be different integers of at least 0, such as 0,1,2. "
                f"Received: {','.join(map(str, seeds)) or 'none'}."
            )

    def _check_sizes(self) -> None:
        size = self.config.schedule.final_resolution
        if self.config.dcgan.resolution != size:
            raise InputError(
                f"{self._config_name}: `dcgan.resolution` is "
                f"{self.config.dcgan.resolution} and `schedule.final_resolution` "
                f"{size}, so their rows could not be compared; make them equal."
            )

    def _check_folder(self) -> None:
        """Refuses a folder of something else, or of another experiment."""
        if not self.out.exists():
            return
        names = (
            {path.name for path in self.out.iterdir()} if self.out.is_dir() else {"."}
        )
        if names - {_LOCK} and PLAN_FILE not in names:
            raise InputError(
                f"{self.out} exists and was not made by `reproduce`; move it away or "
                "give another --out."
            )
        if (self.out / _STORE / STORE_FILE).is_file():
            check_store_fits(
                Store.open(self.out / _STORE),
                cohort=self.config.cohort,
                patches=self.config.patches,
                split=self.config.split,
                config_name=self._config_name,
            )
        for name, model in self._runs():
            path = self.out / _RUNS / name / _CONFIG_OF_RUN
            if path.is_file():
                self._check_run(path, model)

    def _check_run(self, path: Path, model: str) -> None:
        ours = self._settings(model)
        for key, value in _settings_of(
            model, config_to_dict(load_config(path))
        ).items():
            if ours[key] != value:
                raise InputError(
                    f"{path.parent} was trained with `{key}`: {value}, and "
                    f"{self._config_name} has {ours[key]}. Remove that folder to train "
                    "it again, or give another --out."
                )

    def _runs(self) -> Iterator[tuple[str, str]]:
        """Yields the name and the model of every run."""
        for seed in self._seeds:
            for model in _MODELS:
                for target in ("positive", "negative"):
                    yield f"{model}_{target}_{seed}", model

    def _settings(self, step: str) -> dict[str, str]:
        return _settings_of(step, self._document)

    def _write_plan(self, folder: Path) -> None:
        """Writes what the Snakefile reads; a file that is the same stays as it is."""
        plan = {
            "seeds": self._seeds,
            "cohort": str(self.cohort),
            # An LC-PGGAN branches off a PGGAN that it has stages in common with.
            "trunks": {"lc_pggan": "pggan"} if branch_step(self.config) else {},
            "settings": {step: self._settings(step) for step in _KEYS},
            "weights": self._weights,
        }
        _write_if_new(folder / PLAN_FILE, json.dumps(plan, indent=2) + "\n")
        _write_if_new(folder / "config.yaml", _yaml(self._document))
        for seed in self._seeds:
            training = {**self._document["training"], "seed": seed}
            document = {**self._document, "training": training}
            _write_if_new(folder / f"seed_{seed}.yaml", _yaml(document))

    def _drop_markers(self, markers: Path) -> None:
        """Removes the markers of what is not there any more: it is made again."""
        for marker in markers.rglob("*"):
            path = self.out / marker.relative_to(markers)
            if marker.is_file() and not path.exists():
                marker.unlink()

    def _failure(self) -> str:
        """Returns a sentence on the step that has failed last, and the way out."""
        logs = [
            path
            for path in (self.out / _LOGS).rglob("*")
            if path.is_file()
            and not (self.out / _DONE / path.relative_to(self.out / _LOGS)).exists()
        ]
        way_out = (
            "Repair it and run the same command again: it skips what is done, and a "
            "training resumes from its newest checkpoint."
        )
        if not logs:
            return f"Snakemake has not run the steps; its reason is above. {way_out}"
        log = max(logs, key=lambda path: path.stat().st_mtime)
        _, error, reason = log.read_text(errors="replace").rpartition("Error: ")
        said = f": {reason.splitlines()[0]}" if error and reason.strip() else "."
        step = log.relative_to(self.out / _LOGS)
        return f"the step {step} has failed{said} {log} has more. {way_out}"


def _require_snakemake() -> None:
    try:
        importlib.import_module("snakemake")
    except ModuleNotFoundError:
        raise InputError(
            "reproduce needs Snakemake 9, which the plain install leaves out. Install "
            "'gastritis-gan[workflow]'."
        ) from None


def _settings_of(step: str, document: Mapping[str, Any]) -> dict[str, str]:
    """Returns what decides on a step, by key; it is the same for every seed."""
    left_out = {_SEED_KEY, *(_NOT_OF_PGGAN if step == "pggan" else ())}
    return {
        key: value
        for key, value in flat_keys(document)
        if key.startswith(_KEYS[step]) and key not in left_out
    }


def _cohort_file(cohort: Path) -> Path:
    path = cohort / COHORT_FILE if cohort.is_dir() else cohort
    if not path.is_file():
        raise InputError(
            f"{path} does not exist; give a cohort.csv or the folder that holds one."
        )
    return path.absolute()


def _weights_options(
    weights: PathLike | Mapping[str, PathLike] | None, extractors: Sequence[str]
) -> list[str]:
    """Returns the options of a command that uses these extractors."""
    if isinstance(weights, Mapping):
        weights = {name: weights[name] for name in weights if name in extractors}
    find_weights(weights, extractors)  # before the hours of the trainings
    if weights is None:
        return []
    if not isinstance(weights, Mapping):
        return ["--weights-dir", str(Path(weights).absolute())]
    return [
        word
        for name, file in weights.items()
        for word in ("--weights", f"{name}={Path(file).absolute()}")
    ]


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(document), sort_keys=False)


def _write_if_new(path: Path, text: str) -> None:
    content = text.encode()
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)


def _all_cores() -> list[str]:
    """Returns options with which each large step has all cores of this machine."""
    cores = len(os.sched_getaffinity(0))
    rules = ("prepare", "fit", "gan_train", "image_metrics", "audit")
    return ["--cores", "all", "--set-threads", *(f"{rule}={cores}" for rule in rules)]


def _is_place(option: str) -> bool:
    name = option.partition("=")[0]
    return name in _PLACES or (option[:2] in ("-c", "-j", "-e") and option[:2] != "--")


def _snakemake(
    options: Sequence[str],
    folder: Path,
    *,
    lock: int | None = None,
    stdout: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake in a folder, and passes on the signals that end a process.

    Args:
        options: Of Snakemake.
        folder: Its working folder, with the plan.
        lock: Descriptor of a lock that it holds as long as it runs, even if this
            process is killed.
        stdout: As of `subprocess.Popen`.
    """
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(_SNAKEFILE),
        "--nolock", "--rerun-incomplete", "--quiet", "host", "reason",
        "--rerun-triggers", "mtime", "params", "input",
        *options,
    ]  # fmt: skip
    received: list[int] = []
    process: subprocess.Popen[str] | None = None

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                # Of the two, SIGINT lets a shell wait for its command, and that is a
                # training that writes a checkpoint.
                os.killpg(process.pid, signal.SIGINT)

    # Caught before it starts, for it inherits what is ignored.
    with _caught(pass_on):
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=stdout,
            text=True,
            pass_fds=() if lock is None else (lock,),
            start_new_session=True,  # a group with its children: a signal reaches all
        )
        with process:
            output, _ = process.communicate()
    if received:
        raise KeyboardInterrupt
    return subprocess.CompletedProcess(command, process.returncode, output)


@contextlib.contextmanager
def _caught(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Lets a function handle the signals that end a process, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets no other thread catch signals
        return
    previous = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler_before in previous.items():
            signal.signal(number, handler_before)
