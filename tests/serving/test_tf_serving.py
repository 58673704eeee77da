import shlex
from pathlib import Path

import pytest
import yaml

from gastritis_gan.errors import InputError
from gastritis_gan.serving.tf_serving import (
    compose_file,
    docker_command,
    server_flags,
)

EXPORTED = Path("/data/my models/exported")
PORTS = {"port": 9001, "grpc_port": 9000}


def test_flags():
    assert server_flags(EXPORTED, **PORTS) == [
        "--rest_api_port=9001",
        "--port=9000",
        "--model_config_file=/data/my models/exported/models.config",
        "--model_config_file_poll_wait_seconds=10",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        "--batching_parameters_file=/data/my models/exported/batching.config",
        "--enable_per_model_batching_parameters=true",
        "--monitoring_config_file=/data/my models/exported/monitoring.config",
        "--rest_api_timeout_in_ms=60000",
    ]


def test_docker_command():
    words = shlex.split(docker_command(EXPORTED, EXPORTED, **PORTS).replace("\\\n", ""))
    image = words.index("tensorflow/serving:2.20.0")
    assert words[:image] == [
        "docker",
        "run",
        "--rm",
        "--name",
        "gastritis-gan-serving",
        "--publish",
        "127.0.0.1:9001:8501",
        "--publish",
        "127.0.0.1:9000:8500",
        "--mount",
        "type=bind,source=/data/my models/exported,target=/data/my models/exported,"
        "readonly",
    ]
    assert words[image + 1 :] == server_flags(EXPORTED, port=8501, grpc_port=8500)


def test_a_config_folder_elsewhere_is_mounted_too():
    command = docker_command(EXPORTED, Path("/etc/gan"), **PORTS)
    assert "source=/etc/gan,target=/etc/gan,readonly" in command
    assert "--model_config_file=/etc/gan/models.config" in command
    with pytest.raises(InputError, match="comma"):
        docker_command(Path("/a,b"), Path("/a,b"), **PORTS)


def test_compose_file():
    service = yaml.safe_load(compose_file(Path("/a/$x"), Path("/a/$x"), **PORTS))[
        "services"
    ]["serving"]
    assert service["image"] == "tensorflow/serving:2.20.0"
    assert service["ports"] == ["127.0.0.1:9001:8501", "127.0.0.1:9000:8500"]
    assert service["volumes"] == [
        {"type": "bind", "source": "/a/$$x", "target": "/a/$$x", "read_only": True}
    ]
    assert "--model_config_file=/a/$$x/models.config" in service["command"]
