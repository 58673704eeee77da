from pathlib import Path

import pytest

from gastritis_gan.serving.tf_serving import (
    ServedModel,
    model_parameters,
    models_config,
    write_server_files,
)

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
