"""`gastritis-gan serve`."""

import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.serving.exported_model import ExportedModel, open_model
from gastritis_gan.serving.tf_serving import IMAGE

COMMAND = (sys.executable, "-c", "from gastritis_gan.cli.main import main; main()")


def serve(exported_dir, *options):
    arguments = ["serve", "--exported-dir", str(exported_dir), *map(str, options)]
    return CliRunner().invoke(main, arguments)


def test_serve_and_sample_over_http(exported, tmp_path):
    url_file = tmp_path / "server.url"
    arguments = (
        *("serve", "--exported-dir", exported.parents[1], "--config-dir", tmp_path),
        *("--local", "--port", "0", "--url-file", url_file),
    )
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            while not url_file.exists():
                assert server.poll() is None
                time.sleep(0.05)
            images = open_model(url_file.read_text(), "small").generate(range(20))
        finally:
            server.send_signal(signal.SIGTERM)
            output = server.communicate(timeout=60)[0]
    assert server.returncode == 0
    assert not url_file.exists()
    assert "for development" in output
    assert "small, version 1: AVAILABLE" in output
    expected = ExportedModel.open(exported).generate(range(20))
    assert abs(images.astype(int) - expected).max() <= 1


def test_print_docker(exported, tmp_path):
    result = serve(exported.parents[1], "--config-dir", tmp_path, "--print", "docker")
    assert result.exit_code == 0, result.output
    words = shlex.split(result.stdout.replace("\\\n", ""))
    assert words[:3] == ["docker", "run", "--rm"]
    assert IMAGE in words
    assert f"source={exported.parents[1].resolve()}" in result.stdout
    assert 'name: "small"' in (tmp_path / "models.config").read_text()


def test_print_compose(exported, tmp_path):
    result = serve(exported.parents[1], "--config-dir", tmp_path, "--print", "compose")
    assert result.exit_code == 0, result.output
    (service,) = yaml.safe_load(result.stdout)["services"].values()
    assert service["image"] == IMAGE
    assert service["ports"] == ["127.0.0.1:8501:8501", "127.0.0.1:8500:8500"]
    mounted = {volume["source"] for volume in service["volumes"]}
    assert mounted == {str(exported.parents[1].resolve()), str(tmp_path)}


@pytest.mark.parametrize("printed", ["docker", "compose"])
@pytest.mark.parametrize(
    ("image", "is_old"),
    [
        ("tensorflow/serving:2.20.0", False),
        ("tensorflow/serving:2.15.1", False),
        ("tensorflow/serving:2.14.1", True),
        ("hospital.example:5000/serving:2.21.1-gpu", False),
        ("tensorflow/serving:3.0", False),
        ("tensorflow/serving:latest", False),
        ("tensorflow/serving", False),
        ("tensorflow/serving:1.15.0-gpu", True),
        ("hospital.example:5000/serving:2.9.2@sha256:0123", True),
    ],
)
def test_the_image_of_a_container(exported, tmp_path, printed, image, is_old):
    options = ("--config-dir", tmp_path, "--print", printed, "--image", image)
    result = serve(exported.parents[1], *options)
    assert result.exit_code == 0
    assert image in result.stdout.replace("'", "")
    assert ("older than" in result.stderr) == is_old
    assert "older than" not in result.stdout


def test_the_real_server_is_started_where_it_is(exported, tmp_path, monkeypatch):
    program = tmp_path / "tensorflow_model_server"
    program.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    options = ("--exported-dir", exported.parents[1], "--config-dir", tmp_path)
    done = subprocess.run(
        [*COMMAND, "serve", *map(str, options)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"--model_config_file={tmp_path}/models.config" in done.stdout.splitlines()
    printed = serve(exported.parents[1], "--config-dir", tmp_path, "--print", "command")
    assert printed.stdout.split()[1:] == done.stdout.splitlines()[1:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "small=1"], "write MODEL:LABEL=VERSION"),
        (["--label", "small:stable=x"], "write MODEL:LABEL=VERSION"),
        (["--label", "small:a/b=1"], "must not contain '/' or ':'"),
        (["--label", "small:stable=9"], "names version 9; there are 1"),
        (["--label", "other:stable=1"], "has no model other"),
        (["--image", "tensorflow/serving:2.20.0"], "--image is for --print docker"),
    ],
)
def test_refusals(exported, tmp_path, options, message):
    result = serve(exported.parents[1], "--config-dir", tmp_path, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_no_models(tmp_path):
    result = serve(tmp_path / "absent")
    assert result.exit_code == 2
    assert "does not exist" in result.output


@pytest.mark.docker
def test_the_real_server_gives_the_images_of_the_folder(exported, tmp_path):
    """Starts the printed docker command; run it with `pytest -m docker`."""
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("needs docker")
    inspected = subprocess.run(
        [docker, "image", "inspect", IMAGE], capture_output=True, check=False
    )
    if inspected.returncode:
        pytest.skip(f"needs docker and its image: docker pull {IMAGE}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--config-dir", tmp_path, "--port", port, "--print", "docker")
    printed = serve(exported.parents[1], *options).stdout
    command = printed.replace("\\\n", "")
    with subprocess.Popen(shlex.split(command)) as server:
        try:
            model = open_model(f"http://127.0.0.1:{port}", "small", wait_seconds=120)
            images = model.generate(range(20))
        finally:
            server.terminate()
    expected = ExportedModel.open(exported).generate(range(20))
    assert abs(images.astype(int) - expected).max() <= 1
