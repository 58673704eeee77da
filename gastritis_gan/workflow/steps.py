"""The steps of a chain, and what those that are left will cost."""

from __future__ import annotations

import csv
import dataclasses
import statistics
import tempfile
import time
import typing
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from gastritis_gan.cohort.cohort import (
    COHORT_FILE,
    CohortImage,
    quiet,
    read_cohort,
)
from gastritis_gan.config import ExperimentConfig
from gastritis_gan.store.prepare import prepare_cohort
from gastritis_gan.store.split import SplitConfig, assign_splits
from gastritis_gan.store.store import Store, read_patches
from gastritis_gan.training.recipe import make_recipe
from gastritis_gan.training.training_settings import ModelName

RULES = (
    "prepare", "fit", "export", "sample", "gan_train", "image_metrics", "audit",
)  # fmt: skip
"""The rules of the Snakefile, each after those that it needs."""

_TIMED = ("prepare", "fit", "gan_train", "image_metrics")
_FEW_PATIENTS = 6  # of each class, if there are so many
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
    steps: Sequence[Step],
    config: ExperimentConfig,
    *,
    cohort: Path,
    store_path: Path | None,
) -> str:
    """Returns a Markdown table, a line a step: that it is done, or its time.

    Args:
        steps: The steps.
        config: Their experiment.
        cohort: Their cohort file.
        store_path: The chain's store, if it is finished.

    Raises:
        InputError: The cohort cannot be used, or a training cannot be made as
            configured.
    """
    from gastritis_gan.evaluation.tables import markdown_table

    pending = [step for step in steps if not step.is_done]
    seconds: dict[Step, float] = {}
    if any(step.rule in _TIMED for step in pending):
        with tempfile.TemporaryDirectory() as folder:
            if store_path is not None:
                store = Store.open(store_path)
                num_test = sum(image.split == "test" for image in store.images)
            else:
                store, num_test, to_prepare = _small_store(config, cohort, Path(folder))
                seconds |= {s: to_prepare for s in pending if s.rule == "prepare"}
            seconds |= _training_seconds(pending, config, store)
            seconds |= _evaluation_seconds(steps, config, store, num_test=num_test)
    lines = [
        (
            f"{number} of {len(steps)}",
            step.path,
            "done" if step.is_done else _time(seconds.get(step)),
        )
        for number, step in enumerate(steps, 1)
    ]
    return (
        f"{markdown_table(('step', 'makes', 'forecast'), lines)}\n\n"
        f"{len(pending)} of {len(steps)} steps are left. Those with a time take "
        f"{_time(sum(seconds.values()))} on this machine, one after the other: it is "
        "measured on a few images of the cohort, a few real steps of every stage, and "
        "a few patches in every extractor. Starts, ticks and checkpoints are not in it."
    )


def _small_store(
    config: ExperimentConfig, cohort: Path, folder: Path
) -> tuple[Store, int, float]:
    """Prepares an image each of a few patients of the cohort.

    Returns:
        The store, the number of test images of the whole cohort, and the seconds that
        its preparation takes.
    """
    labels = {"positive": config.cohort.positive, "negative": config.cohort.negative}
    images = read_cohort(cohort, **labels).images
    num_test = list(assign_splits(images, config.split).values()).count("test")
    chosen: dict[str, dict[str, CohortImage]] = {label: {} for label in labels}
    for image in images:
        if image.outline is not None and len(chosen[image.label]) < _FEW_PATIENTS:
            chosen[image.label].setdefault(image.patient, image)
    row_of = {
        i.row: (i.image, i.patient, labels[i.label], i.outline)
        for found in chosen.values()
        for i in found.values()
    }
    with (folder / COHORT_FILE).open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("image", "patient", "label", "outline"))
        for line in range(2, max(row_of, default=1) + 1):
            rows.writerow(row_of.get(line, ()))  # refusals name the cohort's own rows
    started = time.monotonic()
    with quiet(prepare_cohort.__module__):  # what it warns of, the step itself will
        store = prepare_cohort(
            folder,
            folder / "store",
            settings=config.cohort,
            geometry=config.patches,
            split=SplitConfig(
                train_positive_patients=len(chosen["positive"]) - 1,
                train_negative_patients=len(chosen["negative"]) - 1,
            ),
        )
    per_image = (time.monotonic() - started) / len(row_of)
    return store, num_test, per_image * len(images)


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
    steps: Sequence[Step], config: ExperimentConfig, store: Store, *, num_test: int
) -> dict[Step, float]:
    """Returns what the features of GAN-train and of the image metrics take.

    Args:
        steps: All steps.
        config: Their experiment.
        store: Has images of the cohort.
        num_test: Number of test images.
    """
    settings = config.evaluation
    num_models = sum(step.rule == "export" for step in steps)
    voting = [
        len(store.patches_of_image(index, inside_only=settings.vote == "inside"))
        for index in range(len(store.images))
    ]
    num_patches = {
        "gan_train": num_test * statistics.mean(voting)
        + num_models * settings.num_sample_seeds * settings.samples_per_generator
        + 2 * settings.num_sample_seeds * settings.patches_per_class,
        # Its samples are those of GAN-train, whose features are kept.
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
