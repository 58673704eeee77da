"""A run's folder: everything that is written to it, and everything that is asked of it.

    run.json  config.yaml  checkpoints/  metrics.jsonl  tensorboard/  sheet_*.png
    reals.png  lock

TensorFlow is loaded when a network is asked for, not before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from gastritis_gan.errors import InputError
from gastritis_gan.storage import (
    DocumentFormat,
    file_lock,
    is_locked,
    new_file,
    new_folder,
    private_files,
    read_json,
    read_yaml,
    refused_if_damaged,
    write_bytes,
)
from gastritis_gan.training.checkpoint import (
    Arrays,
    TrainingState,
    load_latest_checkpoint,
    save_checkpoint,
)
from gastritis_gan.training.recipe import Recipe, StageSpec, make_recipe
from gastritis_gan.training.training_settings import TrainingSections
from gastritis_gan.typed_config import flat_keys, from_plain

if TYPE_CHECKING:
    from gastritis_gan.models.network import Network
    from gastritis_gan.serving.exported_model import ExportedModel

RunState = Literal["running", "finished", "stopped"]

_FORMAT = DocumentFormat(
    "gastritis-gan run", 2, "Train again; an older run cannot be resumed or exported."
)
_RECORD, _CONFIG, _LOCK = "run.json", "config.yaml", "lock"
_METRICS, _CHECKPOINTS = "metrics.jsonl", "checkpoints"
_SCORED_AT_ONCE = 64  # where a discriminator compares no images

# Nothing before the branch depends on these keys.
_FREE_IN_A_BRANCH = (
    "objective.lc_resolution",
    "objective.lc_weight",
    "dcgan.",
    "evaluation.",
    "audit.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSummary:
    """State and progress of a run.

    Attributes:
        name: Of the folder.
        model: As given to `fit`.
        target: As given to `fit`.
        state: `"running"`, `"finished"` or `"stopped"`.
        num_images: Real images shown until the last tick.
        total_images: Real images of the whole run.
        resolution: In pixels, at the last tick; 0 before the first.
        swd: Sliced Wasserstein distance at the last tick, if it was measured.
        verdicts: Sentences of the last tick.
    """

    name: str
    model: str
    target: str
    state: RunState
    num_images: int
    total_images: int
    resolution: int
    swd: float | None
    verdicts: tuple[str, ...]


class Run:
    """One run: a generator that is being trained or has been.

    `fit` makes runs, `Run.open` reads them.

    Args:
        path: The folder.
        record: Model, target, class, split and environment, as in `run.json`.
        document: The experiment as a plain mapping, as in `config.yaml`.

    Attributes:
        path: The folder.
        sections: The training sections of its experiment.
        recipe: What it trains.
    """

    def __init__(
        self, path: Path, record: Mapping[str, Any], document: Mapping[str, Any]
    ) -> None:
        self.path = path
        self._record = dict(record)
        self._document = dict(document)
        self.sections: TrainingSections = from_plain(
            TrainingSections,
            {key: document[key] for key in _names_of_sections() if key in document},
        )
        self.recipe: Recipe = make_recipe(record["model"], self.sections)

    def __repr__(self) -> str:
        return (
            f"Run({str(self.path)!r}, {self._record['model']} of "
            f"{self._record['target']}, {self.state})"
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Run:
        """Opens the folder of a run.

        Args:
            path: As given to `fit`.

        Raises:
            InputError: The folder is not a run, is damaged, or was written by another
                version.
        """
        path = Path(path)
        if not (path / _RECORD).is_file():
            raise InputError(
                f"{path} is not a run: it has no {_RECORD}. `gastritis-gan fit --run` "
                "makes one."
            )
        head = read_json(path / _RECORD)
        if isinstance(head, dict) and isinstance(head.get("format"), int):
            raise InputError(
                f"{path} was written by an earlier version of gastritis-gan. "
                f"{_FORMAT.way_out}"
            )
        record = _FORMAT.read(path / _RECORD)
        for key in _FORMAT.head():
            del record[key]
        with refused_if_damaged(path, "Start the run again under another name."):
            if record["target"] not in ("positive", "negative"):
                raise ValueError(f"the target {record['target']!r:.80}")
            run = cls(path, record, _read_document(path / _CONFIG))
            run._summarize()
        return run

    @property
    def state(self) -> RunState:
        """Whether a process trains it now, its last step is done, or neither."""
        if is_locked(self.path / _LOCK):
            return "running"
        last = self.last_metrics() or {}
        is_finished = last.get("step") == self.recipe.schedule.num_steps
        return "finished" if is_finished else "stopped"

    @property
    def summary(self) -> RunSummary:
        """State and progress; needs no TensorFlow."""
        return self._summarize()

    def _summarize(self) -> RunSummary:
        last = self.last_metrics() or {}
        swd = last.get("swd")
        return RunSummary(
            name=self.path.name,
            model=self._record["model"],
            target=self._record["target"],
            state=self.state,
            num_images=int(last.get("num_images", 0)),
            total_images=self.recipe.schedule.num_images,
            resolution=int(last.get("resolution", 0)),
            swd=None if swd is None else float(swd),
            verdicts=tuple(map(str, last.get("verdicts", ()))),
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """What a model card has about the training; JSON-able and free of identifiers.

        The keys are `model`, `target`, `class_name`, `split_hash`, `environment`
        (TensorFlow's version and kernels, and whether its operations were
        deterministic), `organ`, `view` and `modality` where the cohort states them,
        and of the whole run `resolution` in pixels,
        `latent_dim`, `num_images`, `seed` and `config`: of the experiment what made
        the generator. Who knows the cohort could deal the split again from its section
        `split`.
        """
        sections = ("cohort", "patches", *_names_of_sections())
        return {
            **self._record,
            "resolution": self.recipe.final_resolution,
            "latent_dim": self.recipe.latent_dim,
            "num_images": self.recipe.schedule.num_images,
            "seed": self.sections.training.seed,
            "config": {k: v for k, v in self._document.items() if k in sections},
        }

    def metrics(self) -> list[dict[str, Any]]:
        """Returns a mapping per tick; a last line that a kill has torn is left out."""
        return [record for _, record in self._whole_lines()]

    def last_metrics(self) -> dict[str, Any] | None:
        """Returns the metrics of the last tick, if there was one."""
        records = self.metrics()
        return records[-1] if records else None

    def sheets(self) -> dict[int, Path]:
        """Returns the sheets of samples by the number of real images before them."""
        paths = sorted(self.path.glob("sheet_*.png"))
        return {int(path.stem.removeprefix("sheet_")): path for path in paths}

    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint, whole or damaged."""
        return any((self.path / _CHECKPOINTS).glob("step_*.npz"))

    def checkpoint(self, *, last_step: int | None = None) -> TrainingState:
        """Returns the newest checkpoint that is whole.

        Args:
            last_step: Leaves out checkpoints after this step.

        Raises:
            InputError: There is none, or another version wrote it.
        """
        return load_latest_checkpoint(self.path / _CHECKPOINTS, last_step=last_step)

    def generator(self) -> Network:
        """Returns the moving-average generator, without a fade and in float32.

        It maps latents `(n, latent_dim)` to images `(n, r, r, 1)`, nominally in
        [-1, 1].

        Raises:
            InputError: The run has no checkpoint or is not finished.
        """
        state = self._final_state()
        generator = self._final_spec.generator()
        _set_own_weights(generator, state.weights["generator_ema"])
        return generator

    def discriminator(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """Returns the discriminator, which an insider could attack with.

        It maps patches `(n, r, r, 1)` in [-1, 1] to scores `(n,)`, higher for "real".
        The scores of patches that are given together depend on each other a little
        (minibatch standard deviation).

        Raises:
            InputError: As `generator`.
        """
        state = self._final_state()
        discriminator = self._final_spec.discriminator()
        _set_own_weights(discriminator, state.weights["discriminator"])
        group = self._final_spec.group_size  # the layer takes whole groups
        size = group if group > 1 else _SCORED_AT_ONCE

        def score(patches: NDArray[np.float32]) -> NDArray[np.float32]:
            scores = [
                np.ravel(discriminator(patches[i : i + size], training=False))
                for i in range(0, len(patches), size)
            ]
            return np.concatenate(scores)

        return score

    def export(
        self,
        exported_dir: str | os.PathLike[str],
        *,
        name: str,
        version: int | None = None,
    ) -> ExportedModel:
        """Exports the generator as a SavedModel for TensorFlow Serving.

        Args:
            exported_dir: Folder of all exported models.
            name: Name of the model, also in a server's address.
            version: Number of the version; by default the next free one.

        Returns:
            The model in `exported_dir / name / version`.

        Raises:
            InputError: The run is not finished, the name cannot be used, or the version
                exists.
        """
        from gastritis_gan.serving.model_folder import check_model_name

        check_model_name(name)  # before the seconds that TensorFlow takes

        from gastritis_gan.serving.export import export_generator

        return export_generator(
            self.generator(),
            exported_dir=exported_dir,
            name=name,
            version=version,
            metadata={**self.metadata, "metrics": self.last_metrics() or {}},
        )

    def check_same(self, record: Mapping[str, Any], document: Any) -> None:
        """Checks that a task is the one that this run was started with.

        Raises:
            InputError: It is not; the message names the difference.
        """
        for key, value in record.items():
            if self._record.get(key) != value:
                raise InputError(
                    f"{self.path} is a run with {key}={self._record.get(key)}, not "
                    f"{value}. Give the options and the store of the run to resume it."
                )
        if self._document != document:
            raise InputError(
                f"{self.path} was started with another config than this one. Give its "
                f"own: --config {self.path / _CONFIG}."
            )

    def branch_state(
        self, recipe: Recipe, *, record: Mapping[str, Any], document: Mapping[str, Any]
    ) -> TrainingState:
        """Returns the newest state that this run shares with one that branches off it.

        Args:
            recipe: Of the other run.
            record: Of the other run.
            document: Of the other run.

        Raises:
            InputError: The runs are not the same until then, or the checkpoint is gone.
        """
        if recipe.branches_from is None:
            raise InputError(
                "only an lc_pggan run branches from another, and this is one of "
                f"{recipe.model}."
            )
        for key, value in {**record, "model": recipe.branches_from}.items():
            if self._record.get(key) != value:
                raise InputError(
                    f"{self.path} is a run with {key}={self._record.get(key)}; to "
                    f"branch from it, {key}={value} is needed."
                )
        ours = dict(flat_keys(document))
        for key, value in flat_keys(self._document):
            if ours.get(key) != value and not key.startswith(_FREE_IN_A_BRANCH):
                raise InputError(
                    f"{self.path} was trained with `{key}`: {value}, this config has "
                    f"{ours.get(key)}. Only `objective.lc_resolution` and "
                    "`objective.lc_weight` may differ before the branch."
                )
        return self.checkpoint(last_step=recipe.branch_step)

    def copy_history(self, source: Run, step: int) -> None:
        """Copies another run's metrics and sheets up to a step, as if made here."""
        if (source.path / _METRICS).exists():
            shutil.copyfile(source.path / _METRICS, self.path / _METRICS)
            self.rewind(step)
        last = self._sheet(source.recipe.schedule.images_before(step)).name
        for sheet in source.path.glob("sheet_*.png"):
            if sheet.name <= last:
                shutil.copyfile(sheet, self.path / sheet.name)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from training in this folder, and its files private.

        Raises:
            InputError: Another process is training here.
        """
        refusal = (
            f"another process is training {self.path}. Wait for it, or stop it with "
            "Ctrl-C or SIGTERM: it leaves a checkpoint."
        )
        with (
            private_files(self.path.parent),
            file_lock(self.path / _LOCK, refusal=refusal),
        ):
            yield

    def rewind(self, step: int) -> None:
        """Drops what a resumed run will write again, and what a kill left half made.

        Args:
            step: The step from which the run resumes.
        """
        partial = ".*.partial-*"
        for folder in (self.path, self.path / _CHECKPOINTS):
            for path in folder.glob(partial):
                path.unlink()
        if (self.path / _METRICS).exists():
            whole = self._whole_lines()
            kept = [line for line, record in whole if record["step"] <= step]
            write_bytes(self.path / _METRICS, b"".join(kept))

    def create(self) -> None:
        """Makes the folder, complete or not at all.

        Raises:
            InputError: It exists.
        """
        with new_folder(self.path, private=True) as partial:
            _FORMAT.write(partial / _RECORD, self._record)
            text = yaml.safe_dump(self._document, sort_keys=False)
            write_bytes(partial / _CONFIG, text.encode())
            (partial / _CHECKPOINTS).mkdir()

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Adds the metrics of a tick."""
        with (self.path / _METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def save_sheet(self, sheet: Image.Image, num_images: int) -> None:
        """Writes samples of the fixed latents after a number of real images."""
        with new_file(self._sheet(num_images)) as partial:
            sheet.save(partial, format="PNG")

    def save_reals(self, sheet: Image.Image) -> None:
        """Writes real patches for the eye to compare samples with."""
        with new_file(self.path / "reals.png") as partial:
            sheet.save(partial, format="PNG")

    def save_checkpoint(self, state: TrainingState) -> None:
        """Writes a checkpoint; the newest few stay, and the one to branch from."""
        branch_step = self.recipe.branch_step
        save_checkpoint(
            self.path / _CHECKPOINTS,
            state,
            keep=self.sections.training.keep_checkpoints,
            always=() if branch_step is None else (branch_step,),
        )

    @property
    def tensorboard(self) -> Path:
        """Folder for `tensorboard --logdir`."""
        return self.path / "tensorboard"

    @functools.cached_property
    def _final_spec(self) -> StageSpec:
        """The last stage without a fade: at its end only the new block is left."""
        spec = self.recipe.stages[-1]
        stage = dataclasses.replace(spec.stage, phase="stable")
        return dataclasses.replace(spec, stage=stage)

    def _final_state(self) -> TrainingState:
        state = self.checkpoint()
        num_steps = self.recipe.schedule.num_steps
        if state.step < num_steps:
            raise InputError(
                f"{self.path} has done {state.step} of {num_steps} steps; its last "
                f"checkpoint makes images of {state.resolution} pixels. Resume it with "
                "`gastritis-gan fit --resume` until the end."
            )
        return state

    def _sheet(self, num_images: int) -> Path:
        return self.path / f"sheet_{num_images:09d}.png"

    def _whole_lines(self) -> list[tuple[bytes, dict[str, Any]]]:
        path = self.path / _METRICS
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                record = json.loads(line)
                if line.endswith(b"\n") and "step" in record:
                    whole.append((line, record))
        return whole


def list_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """Returns the runs in a folder, ordered by name; needs no TensorFlow.

    Raises:
        InputError: It is not a folder, holds no runs, or one of them is damaged.

    Example:
        >>> gg.list_runs("runs")[0].summary.model
        'lc_pggan'
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder. Give the one that holds the runs.")
    runs = [Run.open(path.parent) for path in sorted(folder.glob(f"*/{_RECORD}"))]
    if not runs:
        raise InputError(
            f"{folder} holds no runs. `gastritis-gan fit --run` makes one."
        )
    return runs


def _set_own_weights(network: Network, weights: Arrays) -> None:
    from gastritis_gan.models.network import get_weights_by_name, set_weights_by_name

    own = get_weights_by_name(network)  # not those of the layer that has faded out
    set_weights_by_name(network, {name: weights[name] for name in own})


def _names_of_sections() -> list[str]:
    return [field.name for field in dataclasses.fields(TrainingSections)]


def _read_document(path: Path) -> dict[str, Any]:
    try:
        document = read_yaml(path)
    except InputError:
        document = None
    if not isinstance(document, dict):
        raise InputError(f"{path} is missing or damaged. Restore it from a backup.")
    return document
