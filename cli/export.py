"""`gastritis-gan export`: a run becomes an exported model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import remind_of_audit


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--name",
    required=True,
    help="Name of the model: letters, digits, '_', '.' and '-'. It becomes part of a "
    "server's address.",
)
@click.option(
    "--exported-dir",
    default=Path("exported"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of all exported models.",
)
@click.option(
    "--checkpoint",
    metavar="best|last|KIMG",
    help="State to export: the best by `quality` against validation patients, the "
    "last, or that after KIMG thousand images. Default: best where the run has "
    "validation patients, else last.",
)
def export(run: Path, name: str, exported_dir: Path, checkpoint: str | None) -> None:
    """Export the trained generator of RUN as a SavedModel for TensorFlow Serving.

    RUN is the folder that `fit` has written, finished or not. The exported weights are
    the generator's moving average. The model becomes the next free version, NAME/1,
    NAME/2 and so on; no version is ever overwritten. Before it appears it is loaded as
    a server loads it, and must give the images that the run's generator gives.

    \b
    Example:
      gastritis-gan export runs/lc_positive --name phantom_lc_positive
    """
    from gastritis_gan.training.run import Run

    model = Run.open(run).export(exported_dir, name=name, checkpoint=checkpoint)
    graph = model.card["graph"]
    click.echo(
        f"Exported {model.name}, version {model.version}: images of the class "
        f"'{model.class_name}', {model.resolution} x {model.resolution} pixels.\n"
        f"Checkpoint:  {_describe(model.card['checkpoint'])}\n"
        f"Checked:     {graph['num_operations']} operations of "
        f"{len(graph['operations'])} kinds, none that a server refuses; "
        f"{graph['num_variables']} arrays of weights, each stored once; a server's "
        "session gives Keras' images.\n"
        f"SavedModel:  {model.path}\n"
        f"Model card:  {model.path / 'assets.extra' / 'model_card.json'}\n"
        f"Sample it:   gastritis-gan sample {model.path.parent} --out samples/{name}\n"
        f"Serve it:    gastritis-gan serve --exported-dir {exported_dir}"
    )
    remind_of_audit(model.path)


def _describe(checkpoint: dict[str, Any]) -> str:
    text = (
        f"{checkpoint['choice']}, after {checkpoint['num_images']:,} of "
        f"{checkpoint['total_images']:,} images"
    )
    if checkpoint.get("quality") is None:
        return text
    anchors = [
        f"{meaning} {checkpoint[key]:.3f}"
        for key, meaning in (
            ("quality_floor", "floor"),
            ("quality_other_class", "other class"),
        )
        if checkpoint.get(key) is not None
    ]
    return (
        f"{text}; distance from {checkpoint['quality_reference']} patients "
        f"{checkpoint['quality']:.3f}" + (f" ({', '.join(anchors)})" if anchors else "")
    )
