"""`gastritis-gan export`: a run becomes an exported model."""

from __future__ import annotations

from pathlib import Path

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
def export(run: Path, name: str, exported_dir: Path) -> None:
    """Export the trained generator of RUN as a SavedModel for TensorFlow Serving.

    RUN is the folder that `fit` has written. The exported weights are the generator's
    moving average. The model becomes the next free version, NAME/1, NAME/2 and so on;
    no version is ever overwritten. Before it appears it is loaded as a server loads it,
    and must give the images that the run's generator gives.

    \b
    Example:
      gastritis-gan export runs/lc_positive --name phantom_lc_positive
    """
    from gastritis_gan.training.run import Run

    model = Run.open(run).export(exported_dir, name=name)
    graph = model.card["graph"]
    click.echo(
        f"Exported {model.name}, version {model.version}: images of the class "
        f"'{model.class_name}', {model.resolution} x {model.resolution} pixels.\n"
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
