"""`gastritis-gan serve`: exported models answer over the network."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gastritis_gan.errors import InputError

from .options import PATH

if TYPE_CHECKING:
    from gastritis_gan.serving.tf_serving import ServedModel


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
@click.option("--port", default=8501, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--grpc-port", default=8500, show_default=True, type=click.IntRange(0, 65535)
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
    type=click.Choice(["docker", "command"]),
    help="Start nothing: print the docker command and a compose file, or the "
    "tensorflow_model_server command.",
)
def serve(
    exported_dir: Path,
    config_dir: Path | None,
    labels: Sequence[str],
    port: int,
    grpc_port: int,
    local: bool,
    host: str,
    url_file: Path | None,
    printed: str | None,
) -> None:
    """Serve every exported model by REST and gRPC, as TensorFlow Serving does.

    Writes models.config, batching.config and monitoring.config and starts
    tensorflow_model_server where it is on the PATH. Where it is not, a small local
    server stands in: it answers the same requests and is meant for development. For a
    container use --print docker. The highest version of each model is served.

    \b
    Examples:
      gastritis-gan serve
      gastritis-gan serve --print docker
      gastritis-gan serve --local --port 0 --url-file server.url
      gastritis-gan sample --server http://127.0.0.1:8501 --model NAME --out DIR
    """
    from gastritis_gan.serving import tf_serving as server_command
    from gastritis_gan.serving.tf_serving import find_served_models, write_server_files

    models = find_served_models(exported_dir, _parse_labels(labels))
    exported_dir = exported_dir.resolve()
    config_dir = exported_dir if config_dir is None else config_dir.resolve()
    write_server_files(config_dir, models)
    if printed == "docker":
        ports = {"port": port, "grpc_port": grpc_port}
        command = server_command.docker_command(exported_dir, config_dir, **ports)
        compose = server_command.compose_file(exported_dir, config_dir, **ports)
        click.echo(f"{command}\n\n# compose.yaml\n{compose}", nl=False)
        return
    flags = server_command.server_flags(config_dir, port=port, grpc_port=grpc_port)
    if printed == "command":
        click.echo(shlex.join([server_command.PROGRAM, *flags]))
        return
    program = shutil.which(server_command.PROGRAM)
    if program and not local:
        click.echo(
            f"Starting {program}; its REST port listens on every network interface."
        )
        os.execv(program, [program, *flags])
    _serve_locally(models, host=host, port=port, grpc_port=grpc_port, url_file=url_file)


def _serve_locally(
    models: Sequence[ServedModel],
    *,
    host: str,
    port: int,
    grpc_port: int,
    url_file: Path | None,
) -> None:
    from gastritis_gan.serving.local_server.run import run_local_server

    click.echo(
        "Local server, for development: it stands in for TensorFlow Serving, without "
        "its batching between requests, hot reload and monitoring."
    )
    if url_file is not None:
        url_file.unlink(missing_ok=True)  # of a server that was killed
    with contextlib.ExitStack() as stack:

        def on_ready(address: str) -> None:
            if url_file is not None:
                stack.enter_context(_file_with(url_file, address))
            click.echo("Ready; Ctrl-C or SIGTERM ends it.")

        run_local_server(
            models,
            host=host,
            port=port,
            grpc_port=grpc_port,
            report=click.echo,
            on_ready=on_ready,
        )


@contextlib.contextmanager
def _file_with(path: Path, text: str) -> Iterator[None]:
    from gastritis_gan.storage import write_bytes

    write_bytes(path, text.encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _parse_labels(options: Sequence[str]) -> dict[str, dict[str, int]]:
    labels: dict[str, dict[str, int]] = {}
    for option in options:
        model, colon, rest = option.partition(":")
        label, equals, version = rest.partition("=")
        if not (model and colon and label and equals and version.isdecimal()):
            raise InputError(
                f"--label {option!r} cannot be read; write MODEL:LABEL=VERSION, as in "
                "lc_positive:stable=3."
            )
        if {"/", ":"} & set(label):
            raise InputError(f"--label {option!r}: a label holds neither '/' nor ':'.")
        labels.setdefault(model, {})[label] = int(version)
    return labels
