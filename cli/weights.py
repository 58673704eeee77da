"""`gastritis-gan weights`: the ImageNet weights that evaluation needs."""

from __future__ import annotations

from pathlib import Path

import click

from gastritis_gan.errors import InputError

from .options import PATH


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--weights-dir",
    type=PATH,
    help="Folder to look in and to fetch into. [default: Keras' own cache]",
)
@click.option(
    "--fetch",
    is_flag=True,
    help="Download what is missing or damaged, as Keras does, and check its hash.",
)
def weights(names: tuple[str, ...], *, weights_dir: Path | None, fetch: bool) -> None:
    """List, verify and fetch the ImageNet weights of pretrained extractors.

    Prints the file of each extractor (all four without NAME), whether it is there and
    whether its MD5 is the one that Keras publishes. A machine without internet gets
    them in a folder: fetch into it on another machine, copy it, and give it to
    `gan-train --weights-dir`.

    \b
    Example:
      gastritis-gan weights
      gastritis-gan weights --fetch --weights-dir weights/ vgg16_fc2 resnet50_pool
    """
    from gastritis_gan.evaluation.weights import (
        IMAGENET_WEIGHTS,
        fetch_weights,
        keras_folder,
        state_of,
        weights_path,
    )

    for name in names:
        if name not in IMAGENET_WEIGHTS:
            raise InputError(
                f"{name} is not a pretrained extractor; there are "
                f"{', '.join(IMAGENET_WEIGHTS)}."
            )
    incomplete = False
    for name in names or IMAGENET_WEIGHTS:
        path = weights_path(name, weights_dir)
        if fetch and state_of(name, path) != "verified":
            fetch_weights(name, path)
        state = state_of(name, path)
        incomplete |= state != "verified"
        click.echo(
            f"{name:<18} {state:<9} {IMAGENET_WEIGHTS[name].megabytes:>4} MB  "
            f"{IMAGENET_WEIGHTS[name].name}"
        )
    folder = weights_dir or keras_folder()
    click.echo(f"Folder: {folder}")
    if incomplete:
        click.echo(
            "What is missing or damaged: `gastritis-gan weights --fetch` downloads it, "
            "or put the files under these names into the folder and give it to "
            "`gan-train --weights-dir`."
        )
