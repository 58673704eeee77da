"""Options of the commands that compute features."""

from __future__ import annotations

import click

from .options import PATH

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
