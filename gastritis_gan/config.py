"""The experiment file: one YAML file is one experiment, strict and typed.

Each section is a dataclass that its own room owns, with every default stated there;
here they come together.
"""

from __future__ import annotations

import dataclasses
import os
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.evaluation_settings import EvaluationConfig
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.storage import parse_yaml, read_yaml
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.training.training_settings import (
    AugmentationConfig,
    DCGANConfig,
    NetworksConfig,
    ObjectiveConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainingConfig,
    TrainingSections,
)
from gastritis_gan.typed_config import from_plain, require, to_plain


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """A complete experiment; the defaults are the paper's where it states a value."""

    cohort: CohortConfig = CohortConfig()
    patches: PatchGeometry = PatchGeometry()
    split: SplitConfig = SplitConfig()
    networks: NetworksConfig = NetworksConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    dcgan: DCGANConfig = DCGANConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    audit: AuditSettings = AuditSettings()

    def __post_init__(self) -> None:
        require(
            self.schedule.final_resolution <= self.patches.patch_size,
            "schedule.final_resolution",
            f"must not exceed `patches.patch_size` ({self.patches.patch_size})",
            self.schedule.final_resolution,
        )
        sections = self.training_sections  # checks them together, and fills in
        for key in ("objective", "dcgan"):
            object.__setattr__(self, key, getattr(sections, key))
        lc_resolution = typing.cast(int, self.objective.lc_resolution)
        require(
            lc_resolution <= self.schedule.trained_resolutions[-1],
            "objective.lc_resolution",
            "must not exceed the last resolution at which `schedule.stable_images` or "
            "`transition_images` let a stage train",
            lc_resolution,
        )

    @property
    def training_sections(self) -> TrainingSections:
        """The sections that decide on a run."""
        names = [field.name for field in dataclasses.fields(TrainingSections)]
        return TrainingSections(**{name: getattr(self, name) for name in names})


def load_config(
    path: str | os.PathLike[str], changes: Sequence[str] = ()
) -> ExperimentConfig:
    """Reads an experiment file.

    Args:
        path: YAML file; `configs/` of the repository has examples.
        changes: Values that count instead of the file's, each as
            `section.key=value` with a YAML value; the last of a key counts.

    Returns:
        The experiment, every default filled in.

    Raises:
        InputError: The file cannot be read, is not a YAML mapping, or file or changes
            hold an unknown key, a wrong type or an impossible value; the message names
            the key and the rule.

    Example:
        >>> config = gg.load_config("configs/phantom.yaml")
        >>> config.cohort.positive, config.schedule.final_resolution
        ('gastritis', 16)
    """
    path = Path(path)
    document = read_yaml(path)
    document = {} if document is None else document
    changed, used = document, ""
    for change in changes:
        changed = _with_change(changed, change)
        used += f" --set {change}"
    try:
        return config_from_dict(changed)
    except InputError as error:
        is_of_the_file = not changes or _refusal_of(document) == str(error)
        where = path if is_of_the_file else f"{path} with{used}"
        raise InputError(f"{where}: {error}") from None


def _with_change(document: Any, change: str) -> Any:
    """Returns a document with one `section.key=value` in place of what it had."""
    place, equals, text = change.partition("=")
    if not equals or not all(place.split(".")):
        raise InputError(
            f"--set {change}: write section.key=value, as in "
            "schedule.final_resolution=64."
        )
    try:
        keys = [parse_yaml(word.encode()) for word in place.split(".")]
        value = parse_yaml(text.encode())
    except InputError as error:
        raise InputError(f"--set {change}: {error}") from None
    return _replaced(document, keys, value, f"--set {change}")


def _replaced(document: Any, keys: list[Any], value: Any, change: str) -> Any:
    if not keys:
        return value
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise InputError(
            f"{change}: `{keys[0]}` cannot be set, because the file has {document!r} "
            "there and not a mapping."
        )
    inner = _replaced(document.get(keys[0]), keys[1:], value, change)
    return {**document, keys[0]: inner}


def _refusal_of(document: Any) -> str | None:
    try:
        config_from_dict(document)
    except InputError as error:
        return str(error)
    return None


def config_from_dict(document: Any) -> ExperimentConfig:
    """Builds a config from nested mappings, as `config_to_dict` makes them.

    Raises:
        InputError: As `load_config`, without the file's name.
    """
    return typing.cast(ExperimentConfig, from_plain(ExperimentConfig, document))


def config_to_dict(config: ExperimentConfig) -> dict[str, Any]:
    """Returns nested plain mappings that `config_from_dict` reads back."""
    return to_plain(config)
