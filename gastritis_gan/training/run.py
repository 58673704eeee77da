"""A run's folder: everything that is written to it, and everything that is asked of it.

    run.json  config.yaml  checkpoints/  metrics.jsonl  tensorboard/  sheet_*.png
    reals.png  lock

TensorFlow is loaded when a network is asked for, not before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    checkpoint_steps,
    load_checkpoint,
    load_latest_checkpoint,
    save_checkpoint,
)
from gastritis_gan.training.checkpoint_list import CheckpointList, best_tick
from gastritis_gan.training.config_changes import (
    Change,
    check_changes,
    config_before,
    find_changes,
    merge_changes,
    settings_of,
)
from gastritis_gan.training.recipe import Recipe, make_recipe
from gastritis_gan.training.training_settings import TrainingSections
from gastritis_gan.typed_config import from_plain, to_plain

if TYPE_CHECKING:
    from gastritis_gan.models.network import Network
    from gastritis_gan.serving.exported_model import ExportedModel

RunState = Literal["running", "finished", "stopped"]
Discriminate = Callable[[NDArray[np.float32]], NDArray[np.float32]]

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
        class_name: What the cohort calls the class.
        state: `"running"`, `"finished"` or `"stopped"`.
        num_images: Real images shown until the last tick.
        total_images: Real images of the whole run.
        resolution: In pixels, at the last tick; 0 before the first.
        quality: At the last tick, if it was measured.
        quality_floor: Its lower anchor.
        quality_other_class: Its upper anchor.
        best_quality: Of the state that is kept as the best, if there is one.
        best_num_images: Images after which that was.
        verdicts: Sentences of the last tick.
    """

    name: str
    model: str
    target: str
    class_name: str
    state: RunState
    num_images: int
    total_images: int
    resolution: int
    quality: float | None
    quality_floor: float | None
    quality_other_class: float | None
    best_quality: float | None
    best_num_images: int | None
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
        self._use(document)

    def _use(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)
        self.sections: TrainingSections = from_plain(
            TrainingSections,
            {key: document[key] for key in _names_of_sections() if key in document},
        )
        self.recipe: Recipe = make_recipe(self._record["model"], self.sections)

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
        best = self.best_metrics() or {}
        return RunSummary(
            name=self.path.name,
            model=self._record["model"],
            target=self._record["target"],
            class_name=self._record["class_name"],
            state=self.state,
            num_images=int(last.get("num_images", 0)),
            total_images=self.recipe.schedule.num_images,
            resolution=int(last.get("resolution", 0)),
            quality=last.get("quality"),
            quality_floor=last.get("quality_floor"),
            quality_other_class=last.get("quality_other_class"),
            best_quality=best.get("quality"),
            best_num_images=best.get("num_images"),
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
        return {
            **self._record,
            "resolution": self.recipe.final_resolution,
            "latent_dim": self.recipe.latent_dim,
            "num_images": self.recipe.schedule.num_images,
            "seed": self.sections.training.seed,
            "config": _of_generator(self._document),
        }

    def _metadata_at(self, step: int) -> dict[str, Any]:
        """Returns `metadata` as of a checkpoint."""
        before_branch = step <= (self.recipe.branch_step or 0)
        images = self._images(step)
        changes = [c for c in self._changes if c["num_images"] < images]
        return {
            **self.metadata,
            "config": _of_generator(
                config_before(self._document, self._changes, images)
            ),
            **({"config_changes": changes} if self._changes else {}),
            # until the branch both are the same run
            "model": self.recipe.branches_from if before_branch else self.recipe.model,
            "resolution": self.recipe.spec_at(step).stage.resolution,
            "num_images": images,
        }

    @property
    def _changes(self) -> list[Change]:
        changes: list[Change] = self._record.get("config_changes", [])
        return changes

    def metrics(self) -> list[dict[str, Any]]:
        """Returns a mapping per tick; a last line that a kill has torn is left out."""
        return [record for _, record in self._whole_lines()]

    def last_metrics(self) -> dict[str, Any] | None:
        """Returns the metrics of the last tick, if there was one."""
        records = self.metrics()
        return records[-1] if records else None

    def best_metrics(self) -> dict[str, Any] | None:
        """Returns the metrics of the tick whose state `fit` keeps as the best.

        That is the least `quality` against validation patients of the last stage, which
        must be a stable one; None where there is no such tick.
        """
        return best_tick(self.recipe, self.metrics())

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

    def generator(self, *, checkpoint: str | float | None = None) -> Network:
        """Returns the moving-average generator, without a fade and in float32.

        It maps latents `(n, latent_dim)` to images `(n, r, r, 1)`, nominally in
        [-1, 1].

        Args:
            checkpoint: As of `export`.

        Raises:
            InputError: As `export`.
        """
        _, state = self._chosen(checkpoint)
        return self._generator(state)

    def discriminator(self, *, checkpoint: str | float | None = None) -> Discriminate:
        """Returns the discriminator, which an insider could attack with.

        It maps patches `(n, r, r, 1)` in [-1, 1] to scores `(n,)`, higher for "real".
        The scores of patches that are given together depend on each other a little
        (minibatch standard deviation).

        Args:
            checkpoint: As of `export`.

        Raises:
            InputError: As `export`.
        """
        _, state = self._chosen(checkpoint)
        return self._discriminator(state)

    def discriminators(
        self, cards: Iterable[Mapping[str, Any]]
    ) -> list[tuple[dict[str, Any], Discriminate]]:
        """Returns the discriminators that some exported generators were trained with.

        Each is that of the generator's own checkpoint: an audit asks what a model gives
        away, and one trained for longer or shorter belongs to another model.

        Args:
            cards: Model cards of exported generators, also of other runs.

        Returns:
            Pairs of `metadata`, as in the cards, and `discriminator`.

        Raises:
            InputError: None of them was exported from a checkpoint that is still there.
        """
        keys = ("model", "target", "split_hash", "seed", "num_images")
        wanted = [tuple(card.get(key) for key in keys) for card in cards]
        pairs = []
        for step in checkpoint_steps(self.path / _CHECKPOINTS):
            metadata = self._metadata_at(step)
            if tuple(metadata.get(key) for key in keys) in wanted:
                state = load_checkpoint(self.path / _CHECKPOINTS, step)
                pairs.append((metadata, self._discriminator(state)))
        if not pairs:
            raise InputError(
                "none of these generators was exported from a checkpoint that "
                f"{self.path} still has: model, target, split, seed or duration "
                f"differ. {self._checkpoints.listed()} Give the generators' own runs."
            )
        return pairs

    def export(
        self,
        exported_dir: str | os.PathLike[str],
        *,
        name: str,
        version: int | None = None,
        checkpoint: str | float | None = None,
    ) -> ExportedModel:
        """Exports the generator as a SavedModel for TensorFlow Serving.

        Args:
            exported_dir: Folder of all exported models.
            name: Name of the model, also in a server's address.
            version: Number of the version; by default the next free one.
            checkpoint: `"best"`, `"last"`, or after how many thousand images. By
                default the best where validation patients judged the last stage, else
                the last.

        Returns:
            The model in `exported_dir / name / version`.

        Raises:
            InputError: There is no such checkpoint, it is in the middle of a
                transition, the name cannot be used, or the version exists.
        """
        from gastritis_gan.serving.model_folder import check_model_name

        check_model_name(name)  # before the seconds that TensorFlow takes
        choice, state = self._chosen(checkpoint)

        from gastritis_gan.serving.export import export_generator

        ticks = [tick for tick in self.metrics() if tick["step"] <= state.step]
        metrics = ticks[-1] if ticks else {}
        metadata = self._metadata_at(state.step)
        measured = metrics if metrics.get("step") == state.step else {}
        return export_generator(
            self._generator(state),
            exported_dir=exported_dir,
            name=name,
            version=version,
            metadata={
                **metadata,
                "checkpoint": {
                    "choice": choice,
                    "num_images": metadata["num_images"],
                    "total_images": self.recipe.schedule.num_images,
                    **{k: v for k, v in measured.items() if k.startswith("quality")},
                },
                "metrics": metrics,
            },
        )

    def _generator(self, state: TrainingState) -> Network:
        generator = self.recipe.spec_at(state.step).generator()
        _set_own_weights(generator, state.weights["generator_ema"])
        return generator

    def _discriminator(self, state: TrainingState) -> Discriminate:
        spec = self.recipe.spec_at(state.step)
        discriminator = spec.discriminator()
        _set_own_weights(discriminator, state.weights["discriminator"])
        group = spec.group_size  # the layer takes whole groups
        size = group if group > 1 else _SCORED_AT_ONCE

        def score(patches: NDArray[np.float32]) -> NDArray[np.float32]:
            scores = [
                np.ravel(discriminator(patches[i : i + size], training=False))
                for i in range(0, len(patches), size)
            ]
            return np.concatenate(scores)

        return score

    def _chosen(self, checkpoint: str | float | None) -> tuple[str, TrainingState]:
        """Returns what was chosen (`best`, `last` or `kimg`) and its state."""
        choice, step = self._checkpoints.choose(checkpoint)
        if choice != "last":
            return choice, load_checkpoint(self.path / _CHECKPOINTS, step)
        state = self.checkpoint()  # the newest file may be damaged
        self._checkpoints.refuse_in_transition(state.step)
        return choice, state

    @property
    def _checkpoints(self) -> CheckpointList:
        return CheckpointList(
            run=self.path,
            recipe=self.recipe,
            steps=checkpoint_steps(self.path / _CHECKPOINTS),
            ticks=self.metrics(),
        )

    def _images(self, step: int) -> int:
        return self.recipe.schedule.images_before(step)

    def check_same(self, record: Mapping[str, Any]) -> None:
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

    def resume(
        self, document: Mapping[str, Any], *, write: bool = True
    ) -> TrainingState | None:
        """Takes the config to continue with; notes what has changed, and since when.

        Args:
            document: The experiment as a plain mapping.
            write: Whether this process writes to the folder.

        Returns:
            The newest whole checkpoint; None if the run was killed before its first.

        Raises:
            InputError: What differs may not change; nothing was written.
        """
        state = self.checkpoint() if self.has_checkpoint() else None
        step = 0 if state is None else state.step
        images = self._images(step)
        before = {**self._document, **to_plain(self.sections)}  # with newer keys
        changes = find_changes(before, document, num_images=images)
        changed = Run(self.path, self._record, document)
        check_changes(
            changes,
            name=str(self.path),
            before=self.recipe.schedule,
            after=changed.recipe.schedule,
            step=step,
        )
        merged = merge_changes(self._changes, before, changes, num_images=images)
        if merged != self._changes:
            self._record["config_changes"] = merged
            if write:  # first: what never held is found out, what is not noted is not
                _FORMAT.write(self.path / _RECORD, self._record)
        if document != self._document:
            self._use(document)
            if write:
                self._write_config(self.path)
        return state

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
        state = self.checkpoint(last_step=recipe.branch_step)
        images = self._images(state.step)
        for change in self._changes:
            key = change["key"]
            if change["num_images"] < images and not key.startswith(_FREE_IN_A_BRANCH):
                raise InputError(
                    f"{self.path} has been trained with another `{key}` since "
                    f"{change['num_images']:,} images, before the branch: no run from "
                    "the start equals it. Train the other one without --from."
                )
        ours = dict(settings_of(document))
        theirs = config_before(self._document, self._changes, images)
        for key, value in settings_of(theirs):
            if ours.get(key) != value and not key.startswith(_FREE_IN_A_BRANCH):
                raise InputError(
                    f"{self.path} was trained with `{key}`: {json.dumps(value)}, this "
                    f"config has {json.dumps(ours.get(key))}. Only "
                    "`objective.lc_resolution` and `objective.lc_weight` may differ "
                    "before the branch."
                )
        return state

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
        if (self.path / _RECORD).is_file():
            summary = Run.open(self.path).summary
            done = f"{summary.num_images:,} of {summary.total_images:,} images"
            way_out = {
                "running": f"a process trains it and has shown {done}",
                "stopped": f"it has stopped after {done}. To continue it, add --resume",
                "finished": f"it is finished, after {done}. To train it for longer, "
                "lengthen its last stage in the config and add --resume",
            }[summary.state]
            raise InputError(
                f"{self.path} exists already: {way_out}. Give another name for another "
                "run."
            )
        with new_folder(self.path, private=True) as partial:
            _FORMAT.write(partial / _RECORD, self._record)
            self._write_config(partial)
            (partial / _CHECKPOINTS).mkdir()

    def _write_config(self, folder: Path) -> None:
        text = yaml.safe_dump(self._document, sort_keys=False)
        write_bytes(folder / _CONFIG, text.encode())

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
        """Writes a checkpoint; the newest few, the best and that of the branch stay."""
        best = self.best_metrics() or {}
        always: tuple[int | None, ...] = (self.recipe.branch_step, best.get("step"))
        save_checkpoint(
            self.path / _CHECKPOINTS,
            state,
            keep=self.sections.training.keep_checkpoints,
            always=[step for step in always if step is not None],
        )

    @property
    def tensorboard(self) -> Path:
        """Folder for `tensorboard --logdir`."""
        return self.path / "tensorboard"

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
        raise InputError(
            f"{folder} is not a folder. Give the one that holds the runs, or a run."
        )
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


def _of_generator(document: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the sections that made the generator: not `split`, nothing later."""
    sections = ("cohort", "patches", *_names_of_sections())
    return {key: value for key, value in document.items() if key in sections}


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
