from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.evaluation import weights
from gastritis_gan.evaluation.weights import IMAGENET_WEIGHTS

NAME = "resnet50_pool"
FILE = IMAGENET_WEIGHTS[NAME].name


def invoke(*arguments):
    return CliRunner().invoke(main, ["weights", *map(str, arguments)])


@pytest.fixture
def content(monkeypatch, tmp_path):
    """Pretends that these bytes are ResNet-50's weights; Keras' cache is empty."""
    content = b"weights of ResNet-50"
    md5 = hashlib.md5(content).hexdigest()
    monkeypatch.setitem(
        IMAGENET_WEIGHTS, NAME, dataclasses.replace(IMAGENET_WEIGHTS[NAME], md5=md5)
    )
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return content


def test_all_four_are_listed_with_the_place_for_them(content, tmp_path):
    result = invoke()
    assert result.exit_code == 0
    for name, file in IMAGENET_WEIGHTS.items():
        assert name in result.output
        assert file.name in result.output
    assert result.output.count("missing  ") == 4
    assert f"Folder: {tmp_path / 'keras' / 'models'}" in result.output


def test_a_file_is_verified_or_damaged(content, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    result = invoke(NAME, "--weights-dir", tmp_path)
    assert "verified" in result.output
    assert "missing" not in result.output
    (tmp_path / FILE).write_bytes(content[:-1])
    result = invoke(NAME, "--weights-dir", tmp_path)
    assert "damaged" in result.output.splitlines()[0]


def test_an_unknown_name_is_refused():
    result = invoke("vgg19")
    assert result.exit_code == 2
    assert "vgg16_block5, vgg16_fc2, inception_v3_pool, resnet50_pool" in result.output


def test_fetch_lets_keras_download_and_copies(content, tmp_path, monkeypatch):
    def get_file(name, address, *, cache_dir, cache_subdir, file_hash):
        path = Path(cache_dir) / cache_subdir / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return str(path)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    result = invoke(NAME, "--fetch", "--weights-dir", tmp_path / "weights")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "keras" / "models" / FILE).read_bytes() == content
    assert (tmp_path / "weights" / FILE).read_bytes() == content
    assert "verified" in result.output
    shutil.rmtree(tmp_path / "keras")  # what is verified is not fetched again
    assert invoke(NAME, "--fetch", "--weights-dir", tmp_path / "weights").exit_code == 0


def test_a_damaged_file_in_keras_cache_is_downloaded_again(content, tmp_path):
    path = tmp_path / "keras" / "models" / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(content[:-1])
    source = tmp_path / "published" / "resnet" / FILE
    source.parent.mkdir(parents=True)
    source.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_PUBLISHED_IN", source.parents[1].as_uri())
        result = invoke(NAME, "--fetch")
    assert result.exit_code == 0, result.output
    assert path.read_bytes() == content


def test_what_is_published_with_another_hash_is_refused(content, tmp_path, monkeypatch):
    source = tmp_path / "published" / "resnet" / FILE
    source.parent.mkdir(parents=True)
    source.write_bytes(b"something else")
    monkeypatch.setattr(weights, "_PUBLISHED_IN", source.parents[1].as_uri())
    result = invoke(NAME, "--fetch")
    assert result.exit_code == 2
    assert "could not be downloaded" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "build", "include_top"),
    [
        ("vgg16_block5", "VGG16", False),
        ("vgg16_fc2", "VGG16", True),
        ("inception_v3_pool", "InceptionV3", False),
        ("resnet50_pool", "ResNet50", False),
    ],
)
def test_the_files_are_those_that_keras_itself_would_download(
    name, build, include_top, monkeypatch
):
    class WantedError(Exception):
        pass

    def get_file(name, address, **options):
        raise WantedError(name, address, options["file_hash"])

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(WantedError) as caught:
        getattr(keras.applications, build)(weights="imagenet", include_top=include_top)
    file = IMAGENET_WEIGHTS[name]
    assert caught.value.args == (file.name, file.url, file.md5)


def test_a_failed_download_is_one_sentence(content, monkeypatch):
    def no_internet(*arguments, **keywords):
        raise Exception("URL fetch failure on https://example.invalid: None")

    monkeypatch.setattr(keras.utils, "get_file", no_internet)
    result = invoke(NAME, "--fetch")
    assert result.exit_code == 2
    assert "could not be downloaded" in result.output
    assert "Traceback" not in result.output
