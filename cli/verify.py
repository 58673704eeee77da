"""`gastritis-gan verify`: a copy of an exported model proves that it is whole."""

from __future__ import annotations

from pathlib import Path

import click

from .options import PATH, version_option


@click.command()
@click.argument("model", type=PATH)
@version_option
def verify(model: Path, version: int | None) -> None:
    """Check an exported MODEL, such as exported/NAME or exported/NAME/1, after a copy.

    Run it on the machine that will serve the model. It compares every file with the
    model card, searches the graph for what a server refuses, answers the warm-up
    requests and compares samples with those recorded at the export, within one grey
    level. Exit code 0: all passed; 2: the first failure, in a sentence.

    \b
    Example:
      gastritis-gan verify exported/phantom_lc_positive
    """
    from gastritis_gan.serving.model_folder import find_version

    folder = find_version(model, version)  # before the seconds that TensorFlow takes

    from gastritis_gan.serving.verify import verify_version

    for sentence in verify_version(folder):
        click.echo(sentence)
    click.echo(f"{folder} can be served.")
