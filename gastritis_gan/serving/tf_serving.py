"""What TensorFlow Serving is to serve, its files, and how it is started."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from gastritis_gan.errors import InputError
from gastritis_gan.serving.model_folder import version_folders
from gastritis_gan.storage import make_folder, write_bytes

BATCH_SIZES = (1, 2, 4, 8, 16)
"""A server runs batches of these sizes only; it pads others with copies of a row."""

MAX_REQUEST_ROWS = 64
"""A request with more rows is refused; one with more than 16 is split and merged."""

PARAMETERS_FILE = "batching_params.pbtxt"
"""Read from a version's folder by `--enable_per_model_batching_parameters`."""

REQUEST_TIMEOUT_SECONDS = 60
PROGRAM = "tensorflow_model_server"
IMAGE = "tensorflow/serving:2.20.0"
"""Pinned: `latest` would change under a release that should stay as it is."""

OLDEST_VERSION = (2, 15)
"""The oldest TensorFlow whose loader opened an export and gave the same images."""

_MODELS_FILE = "models.config"
_BATCHING_FILE = "batching.config"
_MONITORING_FILE = "monitoring.config"
_MONITORING = (
    'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
)
_REST_PORT = 8501  # in the container
_GRPC_PORT = 8500
_POLL_SECONDS = 10  # looks so often for another models.config
_TIMEOUT_MICROSECONDS = 5_000  # waits this long for others to fill a batch
_MAX_ENQUEUED_BATCHES = 100  # further requests get the status 503


def model_parameters() -> str:
    """Returns a model's batching parameters as the text that a server reads."""
    sizes = "".join(f"allowed_batch_sizes: {size}\n" for size in BATCH_SIZES)
    return (
        f"max_batch_size {{ value: {MAX_REQUEST_ROWS} }}\n"
        "enable_large_batch_splitting { value: true }\n"
        f"max_execution_batch_size {{ value: {BATCH_SIZES[-1]} }}\n"
        f"{sizes}"
        f"batch_timeout_micros {{ value: {_TIMEOUT_MICROSECONDS} }}\n"
        f"max_enqueued_batches {{ value: {_MAX_ENQUEUED_BATCHES} }}\n"
    )


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """One model of a server.

    Attributes:
        name: Its name in addresses.
        base_path: Absolute path of `exported/<name>`.
        versions: The versions to load, lowest first.
        labels: Version by label, an address that can move to another version.
    """

    name: str
    base_path: Path
    versions: tuple[int, ...]
    labels: Mapping[str, int]


def parse_labels(options: Iterable[str]) -> dict[str, dict[str, int]]:
    """Reads labels from `MODEL:LABEL=VERSION`; returns version by label, by model.

    Raises:
        InputError: An option is not of that form.
    """
    labels: dict[str, dict[str, int]] = {}
    for option in options:
        match = re.fullmatch(r"([^:]+):([^=]+)=([0-9]+)", option)
        if match is None:
            raise InputError(
                f"--label {option!r} cannot be read; write MODEL:LABEL=VERSION, as in "
                "lc_positive:stable=3."
            )
        model, label, version = match.groups()
        if {"/", ":"} & set(label):
            raise InputError(
                f"--label {option!r}: a label must not contain '/' or ':'."
            )
        labels.setdefault(model, {})[label] = int(version)
    return labels


def find_served_models(
    exported_dir: Path, labels: Mapping[str, Mapping[str, int]]
) -> list[ServedModel]:
    """Returns every model of a folder: its highest version and those with a label.

    Args:
        exported_dir: Folder of all exported models.
        labels: Version by label, by model.

    Raises:
        InputError: There is no model, or a label names what does not exist.
    """
    if not exported_dir.is_dir():
        raise InputError(
            f"{exported_dir} does not exist; give the folder of your exported models "
            "with --exported-dir."
        )
    folders = {
        folder.name: versions
        for folder in sorted(exported_dir.iterdir())
        if (versions := version_folders(folder))
    }
    if not folders:
        raise InputError(
            f"{exported_dir} contains no exported model; `gastritis-gan export` makes "
            "one."
        )
    unknown = sorted(labels.keys() - folders.keys())
    if unknown:
        raise InputError(
            f"{exported_dir} has no model {unknown[0]} for a label; it has "
            f"{', '.join(folders)}."
        )
    models = []
    for name, versions in folders.items():
        of_model = labels.get(name, {})
        for label, version in of_model.items():
            if version not in versions:
                known = ", ".join(map(str, versions))
                raise InputError(
                    f"the label {label} of {name} names version {version}; there are "
                    f"{known}."
                )
        wanted = tuple(sorted({max(versions), *of_model.values()}))
        base_path = (exported_dir / name).resolve()
        models.append(ServedModel(name, base_path, wanted, of_model))
    return models


def write_server_files(folder: Path, models: Sequence[ServedModel]) -> None:
    """Writes the three files that `tensorflow_model_server` reads into `folder`."""
    make_folder(folder)
    batching = (  # the threads that all models share
        f"num_batch_threads {{ value: {os.cpu_count() or 1} }}\n"
        'thread_pool_name { value: "batching" }\n'
        f"{model_parameters()}"
    )
    for name, text in {
        _MODELS_FILE: models_config(models),
        _BATCHING_FILE: batching,
        _MONITORING_FILE: _MONITORING,
    }.items():
        write_bytes(folder / name, text.encode())


def models_config(models: Sequence[ServedModel]) -> str:
    """Returns the text of a ModelServerConfig."""
    return f"model_config_list {{\n{''.join(map(_model_config, models))}}}\n"


def _model_config(model: ServedModel) -> str:
    policy = "latest { num_versions: 1 }"
    if model.labels:
        versions = " ".join(f"versions: {version}" for version in model.versions)
        policy = f"specific {{ {versions} }}"
    lines = [
        f"name: {_quote(model.name)}",
        f"base_path: {_quote(str(model.base_path))}",
        'model_platform: "tensorflow"',
        f"model_version_policy {{ {policy} }}",
        *(
            f"version_labels {{ key: {_quote(label)} value: {version} }}"
            for label, version in sorted(model.labels.items())
        ),
    ]
    body = "".join(f"    {line}\n" for line in lines)
    return f"  config {{\n{body}  }}\n"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def server_flags(config_dir: Path, *, port: int) -> list[str]:
    """Returns the arguments of the server.

    Args:
        config_dir: Absolute path of the folder with the server's files.
        port: Of the REST interface.
    """
    return [
        f"--rest_api_port={port}",
        f"--port={_GRPC_PORT}",
        f"--model_config_file={config_dir / _MODELS_FILE}",
        f"--model_config_file_poll_wait_seconds={_POLL_SECONDS}",
        # Else labels for versions that are still loading fail a cold start.
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        f"--batching_parameters_file={config_dir / _BATCHING_FILE}",
        "--enable_per_model_batching_parameters=true",
        f"--monitoring_config_file={config_dir / _MONITORING_FILE}",
        f"--rest_api_timeout_in_ms={REQUEST_TIMEOUT_SECONDS * 1000}",
    ]


def is_older_than_tried(image: str) -> bool:
    """Whether a container image names a version below `OLDEST_VERSION` in its tag.

    Args:
        image: As docker takes it, `tensorflow/serving:2.20.0` for example.
    """
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    version = re.match(r"v?(\d+)\.(\d+)", tag)
    return version is not None and tuple(map(int, version.groups())) < OLDEST_VERSION


def docker_command(
    exported_dir: Path, config_dir: Path, *, port: int, image: str = IMAGE
) -> str:
    """Returns a shell command that serves the models in a container.

    Folders keep their absolute paths inside, so the same files serve both ways.

    Args:
        exported_dir: Absolute path of the folder of all exported models.
        config_dir: Absolute path of the folder with the server's files.
        port: Of the REST interface, on this machine.
        image: Of TensorFlow Serving.

    Raises:
        InputError: A path contains a comma, which `docker run --mount` cannot take.
    """
    lines = [
        "docker run --rm --name gastritis-gan-serving",
        f"--publish 127.0.0.1:{port}:{_REST_PORT}",
        f"--publish 127.0.0.1:{_GRPC_PORT}:{_GRPC_PORT}",
    ]
    for folder in _folders(exported_dir, config_dir):
        if "," in str(folder):
            raise InputError(
                f"{folder} has a comma in its name, which docker's --mount cannot "
                "take; use --print compose instead."
            )
        mount = f"type=bind,source={folder},target={folder},readonly"
        lines.append(f"--mount {shlex.quote(mount)}")
    lines.append(shlex.quote(image))
    lines += map(shlex.quote, server_flags(config_dir, port=_REST_PORT))
    return " \\\n  ".join(lines)


def compose_file(
    exported_dir: Path, config_dir: Path, *, port: int, image: str = IMAGE
) -> str:
    """Returns a compose file that does the same as `docker_command`."""
    service = {
        "image": image,
        "command": server_flags(config_dir, port=_REST_PORT),
        "ports": [
            f"127.0.0.1:{port}:{_REST_PORT}",
            f"127.0.0.1:{_GRPC_PORT}:{_GRPC_PORT}",
        ],
        "volumes": [
            {
                "type": "bind",
                "source": str(folder),
                "target": str(folder),
                "read_only": True,
            }
            for folder in _folders(exported_dir, config_dir)
        ],
        "restart": "unless-stopped",
    }
    text: str = yaml.safe_dump({"services": {"serving": service}}, sort_keys=False)
    return text.replace("$", "$$")  # compose would take it for a variable


def _folders(exported_dir: Path, config_dir: Path) -> list[Path]:
    if config_dir.is_relative_to(exported_dir):
        return [exported_dir]
    return [exported_dir, config_dir]
