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
weights_option = click.option(
    "--weights",
    multiple=True,
    metavar="NAME=FILE",
    help="ImageNet weights (.h5) of a pretrained extractor, as in "
    "vgg16_block5=vgg16_notop.weights.h5. Repeatable. Without it they come from "
    "--weights-dir, or Keras downloads them.",
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
