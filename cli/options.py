"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    from gastritis_gan.config import ExperimentConfig

PATH = click.Path(path_type=Path)

Config: TypeAlias = "ExperimentConfig | Path"
_Command: TypeAlias = Callable[..., None]


def experiment_options(help_text: str) -> Callable[[_Command], _Command]:
    """Adds --config and --set; the command gets one argument, `config`.

    Args:
        help_text: Of --config.
    """

    def add(command: _Command) -> _Command:
        @functools.wraps(command)
        def with_config(
            config_path: Path, changes: tuple[str, ...], **others: Any
        ) -> None:
            config: Config = config_path
            if changes:
                from gastritis_gan.config import load_config

                config = load_config(config_path, changes)
            command(config=config, **others)

        changing = click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="SECTION.KEY=VALUE",
            help="Use this value instead of the one in --config, as in "
            "schedule.final_resolution=64. Repeatable.",
        )
        reading = click.option(
            "--config", "config_path", required=True, type=PATH, help=help_text
        )
        return reading(changing(with_config))

    return add


config_option = experiment_options(
    "The experiment file (YAML), the same that prepared the store."
)
store_option = click.option(
    "--store",
    "store_path",
    required=True,
    type=PATH,
    help="Folder that `prepare` made.",
)
key_option = click.option(
    "--key-file",
    "key_path",
    type=PATH,
    help="File of the store's secret key. [default: NAME.key beside the store]",
)
generators_option = click.option(
    "--generators",
    "generator_paths",
    multiple=True,
    type=PATH,
    help="A folder of exported models, such as exported, or one model, exported/NAME "
    "or exported/NAME/1. Repeatable. Of each model the highest version counts; models "
    "of another split are skipped.",
)
weights_option = click.option(
    "--weights",
    multiple=True,
    metavar="NAME=FILE",
    help="ImageNet weights (.h5) of a pretrained extractor, as in "
    "vgg16_block5=vgg16_notop.weights.h5. Repeatable. Without it, or --weights-dir, "
    "Keras downloads them.",
)
weights_dir_option = click.option(
    "--weights-dir",
    type=PATH,
    help="Folder with Keras' own files, for a machine without internet; "
    "`gastritis-gan weights` lists them.",
)
cache_option = click.option(
    "--cache",
    "cache_path",
    type=PATH,
    help="Folder for features that are computed already; a second run, or one that was "
    "killed, resumes from it. [default: feature-cache beside --out]",
)
truncation_option = click.option(
    "--truncation",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Variety of the images: 1 as trained, 0 the same image for every seed.",
)
version_option = click.option(
    "--version",
    type=click.IntRange(min=0),
    help="Version of the model; the highest by default.",
)

out_option = click.option(
    "--out",
    required=True,
    type=PATH,
    help="Folder to make; it must not exist.",
)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of text, for programs."
)


def evaluation_options(command: _Command) -> _Command:
    """Adds what `gan-train` and `image-metrics` have in common."""
    for option in (
        json_option,
        cache_option,
        weights_dir_option,
        weights_option,
        out_option,
        generators_option,
        store_option,
        config_option,
    ):
        command = option(command)
    return command


def remind_of_audit(*version_folders: Path) -> None:
    """Names on standard error the models that have not passed a privacy audit."""
    from gastritis_gan.serving.model_folder import audit_reminder

    if reminder := audit_reminder(version_folders):
        click.echo(reminder, err=True)


def parse_weights(
    options: Sequence[str], folder: Path | None
) -> dict[str, Path] | Path | None:
    """Returns what --weights and --weights-dir give, as the library takes it."""
    if options and folder is not None:
        raise click.UsageError("give --weights or --weights-dir, one of the two.")
    files = {}
    for option in options:
        name, _, file = option.partition("=")
        if not file:
            raise click.UsageError(
                f"--weights {option} cannot be read; give NAME=FILE."
            )
        files[name] = Path(file)
    return files or folder
