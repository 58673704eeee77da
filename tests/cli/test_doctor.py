"""`gastritis-gan doctor`."""

from __future__ import annotations

import importlib.metadata
import json

import pytest
import tensorflow as tf
from click.testing import CliRunner

from gastritis_gan import __version__
from gastritis_gan.cli.main import main

# What the question to TensorFlow asks for, and no more.
KERAS = """
__version__ = "3.15.0"
class config:
    set_floatx = set_epsilon = set_image_data_format = staticmethod(lambda value: None)
"""
TENSORFLOW = """
__version__ = "2.21.0"
ones, matmul, reduce_sum = lambda shape: 8, lambda a, b: a, float
class sysconfig:
    get_build_info = staticmethod(lambda: {BUILD})
class config:
    list_physical_devices = staticmethod(lambda kind: {GPUS})
    class experimental:
        get_device_details = staticmethod(lambda gpu: gpu)
"""
CUDA = {
    "cuda_version": "12.5.1",
    "cuda_compute_capabilities": ["sm_60", "sm_89", "compute_90"],
}


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    """Runs the command on a machine with the modules and programs that are given."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(modules))

    def run(*, tensorflow="raise ImportError('no AVX here')", programs=()):
        (modules / "tensorflow.py").write_text(tensorflow)
        (modules / "keras.py").write_text(KERAS)
        for name, script in dict(programs).items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        result = CliRunner().invoke(main, ["doctor", "--json"])
        return result.exit_code, {f["name"]: f for f in json.loads(result.stdout)}

    return run


def fake(*gpus, build=None):
    text = TENSORFLOW.replace("{BUILD}", repr(build or {}))
    return text.replace("{GPUS}", repr(list(gpus)))


def test_a_cpu(doctor):
    code, found = doctor(tensorflow=fake())
    assert code == 0
    assert found["gastritis-gan"]["text"] == __version__
    for name in ("numpy", "pydicom", "pillow"):
        assert found[name]["text"] == importlib.metadata.version(name)
    assert found["TensorFlow"]["text"].startswith("2.21.0 (tensorflow")
    assert found["Keras"]["text"] == "3.15.0"
    assert found["GPU"]["state"] == "missing"
    assert found["ImageNet weights"]["state"] == "missing"
    assert "weights --fetch" in found["ImageNet weights"]["way_out"]
    assert found["tensorflow_model_server"]["state"] == "missing"
    assert {f["state"] for f in found.values()} <= {"ok", "missing"}


@pytest.mark.parametrize(
    ("capability", "may_fail"), [((8, 6), False), ((9, 0), False), ((12, 0), True)]
)
def test_the_compute_capability(doctor, capability, may_fail):
    gpu = {"device_name": "RTX", "compute_capability": capability}
    code, found = doctor(tensorflow=fake(gpu, build=CUDA))
    assert code == 0
    text = f"RTX, compute capability {capability[0]}.{capability[1]}"
    assert found["GPU"]["text"] == text
    assert ("may fail here" in found["GPU"]["way_out"]) == may_fail


@pytest.mark.parametrize(
    ("build", "state", "way_out"),
    [({}, "missing", "gastritis-gan[gpu]"), (CUDA, "broken", "TF_CPP_MIN_LOG_LEVEL")],
)
def test_a_card_that_tensorflow_does_not_use(doctor, build, state, way_out):
    programs = {"nvidia-smi": "echo 'NVIDIA H200, 9.0, 580.1'"}
    code, found = doctor(tensorflow=fake(build=build), programs=programs)
    assert code == (2 if state == "broken" else 0)
    assert found["GPU"]["state"] == state
    assert found["GPU"]["text"].startswith("NVIDIA H200, 9.0")
    assert way_out in found["GPU"]["way_out"]


def test_a_tensorflow_that_is_broken(doctor):
    code, found = doctor()
    assert code == 2
    assert found["TensorFlow"]["state"] == "broken"
    assert found["TensorFlow"]["text"] == "ImportError: no AVX here"


def test_without_tensorflow(doctor, monkeypatch):
    version = importlib.metadata.version

    def without(name):
        if name.startswith("tensorflow"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    code, found = doctor()
    assert code == 0
    assert found["TensorFlow"]["state"] == "missing"
    assert "gastritis-gan[cpu]" in found["TensorFlow"]["way_out"]


def test_servers(doctor):
    programs = {"docker": "echo 29.1.0", "tensorflow_model_server": "exit 1"}
    _, found = doctor(programs=programs)
    assert found["docker"]["text"] == "29.1.0"
    assert "docker pull tensorflow/serving:" in found["docker"]["way_out"]
    assert found["tensorflow_model_server"]["state"] == "ok"


def test_docker_without_its_daemon_is_no_mistake(doctor):
    programs = {"docker": "echo 'Cannot connect' >&2; exit 1"}
    code, found = doctor(tensorflow=fake(), programs=programs)
    assert code == 0
    assert found["docker"]["text"] == "does not answer: Cannot connect"


@pytest.mark.slow
def test_lines_for_people():
    """The real TensorFlow, in a process of its own."""
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert ["TensorFlow", "ok", tf.__version__] in [words[:3] for words in lines]
    assert all(
        words[0] == "->"
        or words[1] in ("ok", "missing")
        or words[2] in ("ok", "missing")
        for words in lines
    )
