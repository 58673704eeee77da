"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)

config_option = click.option(
    "--config",
    "config_path",
    required=True,
    type=PATH,
    help="The experiment file (YAML), the same that prepared the store.",
)
store_option = click.option(
    "--store",
    "store_path",
    required=True,
    type=PATH,
    help="Folder that `prepare` made.",
)
