"""The steps of a chain, and what those that are left will cost."""

from __future__ import annotations

import dataclasses
import tempfile
import time
import typing
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.config import ExperimentConfig
from gastritis_gan.phantom.phantom_cohort import make_phantom
from gastritis_gan.store.prepare import prepare_cohort
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.store.store import Store, read_patches
from gastritis_gan.training.recipe import make_recipe
from gastritis_gan.training.training_settings import ModelName

RULES = (
    "prepare", "fit", "export", "sample", "gan_train", "image_metrics", "audit",
)  # fmt: skip
"""The rules of the Snakefile, each after those that it needs."""

_PHANTOM_PATIENTS = 8
_PHANTOM_SIZES = (256, 4096)
_PATCHES_PER_SIDE = 8  # so that a phantom's stomach has room for whole patches
_TIMED_PATCHES = 32
_TARGET: typing.Literal["positive"] = "positive"  # the other takes as long


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a chain.

    Attributes:
        rule: Its rule in the Snakefile.
        path: What it makes, below the chain's folder.
        is_done: Whether it is done and its inputs are unchanged.
    """

    rule: str
    path: str
    is_done: bool


def branch_step(config: ExperimentConfig) -> int:
    """Returns until which step an LC-PGGAN is a PGGAN; 0: no stage is the same."""
    return make_recipe("lc_pggan", config.training_sections).branch_step or 0


def forecast_table(
    steps: Sequence[Step], config: ExperimentConfig, store_path: Path | None
) -> str:
    """Returns a Markdown table, a line a step: that it is done, or its time.

    Args:
        steps: The steps.
        config: Their experiment.
        store_path: The chain's store, if it is finished.

    Raises:
        InputError: A training cannot be made as configured.
    """
    from gastritis_gan.evaluation.tables import markdown_table

    pending = [step for step in steps if not step.is_done]
    with tempfile.TemporaryDirectory() as folder:
        seconds: dict[Step, float] = {}
        if any(step.rule == "fit" for step in pending):
            store = (
                Store.open(store_path)
                if store_path
                else _phantom_store(config, Path(folder))
            )
            seconds |= _training_seconds(pending, config, store)
        if store_path is not None:
            seconds |= _evaluation_seconds(steps, config, Store.open(store_path))
    lines = [
        (
            f"{number} of {len(steps)}",
            step.path,
            "done" if step.is_done else _time(seconds.get(step)),
        )
        for number, step in enumerate(steps, 1)
    ]
    total = sum(seconds[step] for step in pending if step in seconds)
    return (
        f"{markdown_table(('step', 'makes', 'forecast'), lines)}\n\n"
        f"{len(pending)} of {len(steps)} steps are left. Those with a time take "
        f"{_time(total)} on this machine, one after the other. It is measured on a few "
        "real steps of every stage, and on a few patches in every extractor once there "
        "is a store; starts, ticks and checkpoints are not in it."
    )


def _phantom_store(config: ExperimentConfig, folder: Path) -> Store:
    """Makes a store of phantom patches of the experiment's size."""
    least, most = _PHANTOM_SIZES
    size = min(most, max(least, _PATCHES_PER_SIDE * config.patches.patch_size))
    cohort = make_phantom(
        folder / "cohort", patients=_PHANTOM_PATIENTS, image_size=size
    )
    half = _PHANTOM_PATIENTS // 2
    return prepare_cohort(
        cohort,
        folder / "store",
        settings=CohortConfig(
            positive="gastritis", negative="non_gastritis", bits=config.cohort.bits
        ),
        geometry=config.patches,
        split=SplitConfig(
            train_positive_patients=half - 1, train_negative_patients=half - 1
        ),
    )


def _training_seconds(
    pending: Sequence[Step], config: ExperimentConfig, store: Store
) -> dict[Step, float]:
    """Returns what each training takes that is not done."""
    from gastritis_gan.training.forecast import forecast_stages

    seconds: dict[Step, float] = {}
    fits = [step for step in pending if step.rule == "fit"]
    for model in typing.get_args(ModelName):
        those = [step for step in fits if step.path.startswith(f"runs/{model}_")]
        if those:
            stages = forecast_stages(
                config.training_sections,
                store,
                model=model,
                target=_TARGET,
                first_step=branch_step(config) if model == "lc_pggan" else 0,
            )
            total = sum(stage.seconds for stage in stages)
            seconds |= dict.fromkeys(those, total)
    return seconds


def _evaluation_seconds(
    steps: Sequence[Step], config: ExperimentConfig, store: Store
) -> dict[Step, float]:
    """Returns what the features of GAN-train and of the image metrics take."""
    settings = config.evaluation
    num_models = sum(step.rule == "export" for step in steps)
    num_test = sum(
        len(store.patches_of_image(index, inside_only=settings.vote == "inside"))
        for index, image in enumerate(store.images)
        if image.split == "test"
    )
    num_patches = {
        "gan_train": num_test
        + num_models * settings.num_sample_seeds * settings.samples_per_generator
        + 2 * settings.num_sample_seeds * settings.patches_per_class,
        # Its samples are those of GAN-train.
        "image_metrics": 2 * 2 * settings.patches_per_class,
    }
    those = [step for step in steps if step.rule in num_patches and not step.is_done]
    per_patch = _seconds_per_patch(config, store) if those else 0.0
    return {step: per_patch * num_patches[step.rule] for step in those}


def _seconds_per_patch(config: ExperimentConfig, store: Store) -> float:
    """Returns how long a patch takes through all extractors."""
    from gastritis_gan.evaluation.extractors import make_untrained_extractor

    resolution = config.schedule.final_resolution
    patches = store.patch_set(_TARGET, "train")[:_TIMED_PATCHES]
    images = read_patches(store, patches, resolution)
    seconds = 0.0
    for name in config.evaluation.extractors:
        extractor = make_untrained_extractor(name, resolution=resolution)
        extractor(images)  # traces its graph
        started = time.monotonic()
        extractor(images)
        seconds += time.monotonic() - started
    return seconds / len(images)


def _time(seconds: float | None) -> str:
    return "not timed" if seconds is None else str(tqdm.format_interval(seconds))
