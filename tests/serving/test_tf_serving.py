"""What TensorFlow Serving is to serve, its files, and how it is started."""

import shlex
from pathlib import Path

import pytest
import yaml

from gastritis_gan.errors import InputError
from gastritis_gan.serving.tf_serving import (
    ServedModel,
    compose_file,
    docker_command,
    find_served_models,
    model_parameters,
    models_config,
    server_flags,
    write_server_files,
)


@pytest.fixture
def exported_dir(tmp_path):
    for version in ("a/1", "a/2", "a/10", "c/3", "a/.11.partial-x", "empty"):
        (tmp_path / version).mkdir(parents=True)
    (tmp_path / "README.md").write_text("about the models")
    return tmp_path


def test_the_highest_version_and_the_labelled_ones_are_served(exported_dir):
    a, c = find_served_models(exported_dir, {"a": {"stable": 2, "canary": 10}})
    assert (a.name, a.versions, a.labels["stable"]) == ("a", (2, 10), 2)
    assert (c.name, c.versions, c.base_path) == ("c", (3,), exported_dir / "c")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"b": {"x": 1}}, "has no model b for a label; it has a, c"),
        ({"a": {"x": 3}}, "label x of a names version 3; there are 1, 2, 10"),
    ],
)
def test_labels_of_nothing_are_refused(exported_dir, labels, message):
    with pytest.raises(InputError, match=message):
        find_served_models(exported_dir, labels)


def test_no_models(tmp_path):
    with pytest.raises(InputError, match="contains no exported model"):
        find_served_models(tmp_path, {})
    with pytest.raises(InputError, match="does not exist"):
        find_served_models(tmp_path / "absent", {})


EXPECTED = """\
model_config_list {
  config {
    name: "a"
    base_path: "/srv/a \\"b\\""
    model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 1 } }
  }
  config {
    name: "c"
    base_path: "/srv/c"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 2 versions: 5 } }
    version_labels { key: "stable" value: 2 }
  }
}
"""


@pytest.fixture
def models():
    a, c = Path('/srv/a "b"'), Path("/srv/c")
    return [ServedModel("a", a, (1,), {}), ServedModel("c", c, (2, 5), {"stable": 2})]


def test_models_config(models):
    assert models_config(models) == EXPECTED


def test_the_real_api_reads_the_models_config(models):
    pytest.importorskip(
        "tensorflow_serving.config", reason="needs tensorflow-serving-api"
    )
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    config = text_format.Parse(
        models_config(models), model_server_config_pb2.ModelServerConfig()
    ).model_config_list.config
    assert config[0].base_path == '/srv/a "b"'
    assert config[0].model_version_policy.latest.num_versions == 1
    assert list(config[1].model_version_policy.specific.versions) == [2, 5]
    assert dict(config[1].version_labels) == {"stable": 2}


def test_batching_parameters():
    """As TensorFlow Serving checks them when large batches are split."""
    lines = model_parameters().splitlines()
    sizes = [int(line.split()[1]) for line in lines if line.startswith("allowed")]
    assert sizes == sorted(set(sizes))
    assert f"max_execution_batch_size {{ value: {sizes[-1]} }}" in lines
    assert "enable_large_batch_splitting { value: true }" in lines
    assert "max_batch_size { value: 64 }" in lines


def test_the_files_of_a_server(models, tmp_path):
    write_server_files(tmp_path / "config", models)
    assert {path.name for path in (tmp_path / "config").iterdir()} == {
        "models.config",
        "batching.config",
        "monitoring.config",
    }
    assert (tmp_path / "config" / "monitoring.config").read_text() == (
        'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
    )


EXPORTED = Path("/data/my models/exported")


def test_flags():
    assert server_flags(EXPORTED, port=9001) == [
        "--rest_api_port=9001",
        "--port=8500",
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
    words = shlex.split(
        docker_command(EXPORTED, EXPORTED, port=9001).replace("\\\n", "")
    )
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
        "127.0.0.1:8500:8500",
        "--mount",
        "type=bind,source=/data/my models/exported,target=/data/my models/exported,"
        "readonly",
    ]
    assert words[image + 1 :] == server_flags(EXPORTED, port=8501)


def test_a_config_folder_elsewhere_is_mounted_too():
    command = docker_command(EXPORTED, Path("/etc/gan"), port=9001)
    assert "source=/etc/gan,target=/etc/gan,readonly" in command
    assert "--model_config_file=/etc/gan/models.config" in command
    with pytest.raises(InputError, match="comma"):
        docker_command(Path("/a,b"), Path("/a,b"), port=9001)


def test_compose_file():
    service = yaml.safe_load(compose_file(Path("/a/$x"), Path("/a/$x"), port=9001))[
        "services"
    ]["serving"]
    assert service["image"] == "tensorflow/serving:2.20.0"
    assert service["ports"] == ["127.0.0.1:9001:8501", "127.0.0.1:8500:8500"]
    assert service["volumes"] == [
        {"type": "bind", "source": "/a/$$x", "target": "/a/$$x", "read_only": True}
    ]
    assert "--model_config_file=/a/$$x/models.config" in service["command"]
