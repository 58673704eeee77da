"""`gastritis-gan serve`: serves exported models over the network."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from gastritis_gan.errors import InputError

from .options import PATH, remind_of_audit

_CONTAINERS = {"docker": "docker_command", "compose": "compose_file"}


@click.command()
@click.option(
    "--exported-dir",
    default=Path("exported"),
    show_default=True,
    type=PATH,
    help="Folder of all exported models.",
)
@click.option(
    "--config-dir",
    type=PATH,
    help="Folder for the server's files; --exported-dir by default.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="MODEL:LABEL=VERSION",
    help="Serve that version too, under a label that can move later. Repeatable.",
)
@click.option(
    "--port",
    default=8501,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the REST interface; with --local, 0 takes a free one.",
)
@click.option(
    "--local",
    is_flag=True,
    help="Start the local server even where tensorflow_model_server is installed.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address of the local server. It has neither passwords nor encryption.",
)
@click.option(
    "--url-file",
    type=PATH,
    help="File that receives the local server's address once the models are loaded; "
    "removed at the end.",
)
@click.option(
    "--print",
    "printed",
    type=click.Choice(["docker", "compose", "command"]),
    help="Start nothing: print the docker command, a compose file, or the "
    "tensorflow_model_server command.",
)
@click.option(
    "--image",
    help="Image of TensorFlow Serving for --print docker and --print compose. "
    "[default: a pinned one of tensorflow/serving]",
)
def serve(
    exported_dir: Path,
    config_dir: Path | None,
    labels: Sequence[str],
    port: int,
    local: bool,
    host: str,
    url_file: Path | None,
    printed: str | None,
    image: str | None,
) -> None:
    """Serve every exported model as TensorFlow Serving does.

    Writes models.config, batching.config and monitoring.config and starts
    tensorflow_model_server where it is on the PATH. Where it is not, a small local
    server for development answers the same REST requests. For a container use --print
    docker or --print compose. The highest version of each model is served.

    \b
    Examples:
      gastritis-gan serve
      gastritis-gan serve --print compose > compose.yaml
      gastritis-gan serve --local --port 0 --url-file server.url
      gastritis-gan sample --server http://127.0.0.1:8501 --model NAME --out DIR
    """
    if image is not None and printed not in _CONTAINERS:
        raise click.UsageError("--image is for --print docker and --print compose.")
    from gastritis_gan.serving import tf_serving

    models = tf_serving.find_served_models(
        exported_dir, tf_serving.parse_labels(labels)
    )
    exported_dir = exported_dir.resolve()
    config_dir = exported_dir if config_dir is None else config_dir.resolve()
    try:
        tf_serving.write_server_files(config_dir, models)
    except InputError as error:
        raise InputError(f"{error} `--config-dir` names another folder.") from error
    remind_of_audit(*(m.base_path / str(v) for m in models for v in m.versions))
    if printed in _CONTAINERS:
        image = image or tf_serving.IMAGE
        describe = getattr(tf_serving, _CONTAINERS[printed])
        click.echo(describe(exported_dir, config_dir, port=port, image=image).rstrip())
        if tf_serving.is_older_than_tried(image):
            oldest = ".".join(map(str, tf_serving.OLDEST_VERSION))
            click.echo(
                f"Warning: {image} is older than {oldest}, the oldest TensorFlow that "
                "has loaded exported models; `sample --server` shows whether it does.",
                err=True,
            )
        return
    flags = tf_serving.server_flags(config_dir, port=port)
    if printed == "command":
        click.echo(shlex.join([tf_serving.PROGRAM, *flags]))
        return
    program = shutil.which(tf_serving.PROGRAM)
    if program and not local:
        click.echo(
            f"Starting {program}; its REST port listens on every network interface."
        )
        os.execv(program, [program, *flags])
    click.echo(
        "Local server, for development: it stands in for TensorFlow Serving, without "
        "gRPC, batching between requests, hot reload and monitoring."
    )

    from gastritis_gan.serving.local_server import run_local_server

    run_local_server(models, host=host, port=port, report=click.echo, url_file=url_file)
