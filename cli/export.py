"""`gastritis-gan export`: a run becomes an exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click


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
    from gastritis_gan.serving.layout import check_model_name

    check_model_name(name)  # before the seconds that TensorFlow takes

    from gastritis_gan.serving.export import export_generator
    from gastritis_gan.training.trained_run import load_run

    trained = load_run(run)
    model = export_generator(
        trained.generator,
        exported_dir=exported_dir,
        name=name,
        metadata={**trained.facts, "metrics": _last_metrics(run)},
    )
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


def _last_metrics(run: Path) -> dict[str, Any]:
    """Returns the last line of a run's metrics; empty when there is none."""
    from gastritis_gan.training.run_folder import RunFolder

    path = RunFolder(run).metrics
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    metrics: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return metrics
