"""The files that tell `tensorflow_model_server` what to serve, and how."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gastritis_gan.serving.batching import server_parameters
from gastritis_gan.serving.served_model import ServedModel
from gastritis_gan.storage import write_bytes

MODELS_FILE = "models.config"
BATCHING_FILE = "batching.config"
MONITORING_FILE = "monitoring.config"
METRICS_PATH = "/monitoring/prometheus/metrics"
REQUEST_TIMEOUT_SECONDS = 60

_MONITORING = f'prometheus_config {{ enable: true path: "{METRICS_PATH}" }}\n'


def write_server_files(folder: Path, models: Sequence[ServedModel]) -> None:
    """Writes the three files that `tensorflow_model_server` reads into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {
        MODELS_FILE: models_config(models),
        BATCHING_FILE: server_parameters(os.cpu_count() or 1),
        MONITORING_FILE: _MONITORING,
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
