"""`gastritis-gan sample`."""

import csv
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gastritis_gan.cli.main import main
from gastritis_gan.serving.exported_model import ExportedModel


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def read_manifest(folder):
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def read_png(path):
    with Image.open(path) as image:
        return np.asarray(image, int)


def test_sample(exported, tmp_path):
    out = tmp_path / "samples" / "small"
    result = invoke(
        "sample", exported.parent, "--count", 70, "--seed", 100, "--out", out
    )
    assert result.exit_code == 0, result.output
    assert "small, version 1, class 'gastritis'.\n" in result.output
    assert re.search(r"Number of images: +70\n", result.output)
    assert str(out) in result.output
    rows = read_manifest(out)
    assert rows[69] == {
        "file": "000069.png",
        "seed": "169",
        "truncation": "1.0",
        "class": "gastritis",
        "model": "small",
        "version": "1",
    }
    assert [row["seed"] for row in rows] == [str(seed) for seed in range(100, 170)]
    images = ExportedModel.open(exported).generate(range(100, 170))[..., 0]
    for row, image in zip(rows, images, strict=True):
        np.testing.assert_allclose(read_png(out / row["file"]), image, atol=1)
    sheet = read_png(out / "sheet.png")[-(8 * 66 - 2) :]  # below the caption
    assert sheet.shape == (8 * 66 - 2, 8 * 66 - 2)
    enlarged = np.kron(images[63], np.ones((4, 4), int))
    np.testing.assert_allclose(sheet[-64:, -64:], enlarged, atol=1)
    assert len(list(out.iterdir())) == 70 + 2


def test_a_small_sample_has_a_small_sheet(exported, tmp_path):
    out = tmp_path / "out"
    arguments = ("--count", 3, "--truncation", 0, "--version", 1, "--out", out)
    result = invoke("sample", exported.parent, *arguments)
    assert result.exit_code == 0, result.output
    assert 64 < len(read_png(out / "sheet.png")) < 2 * 64
    assert [row["truncation"] for row in read_manifest(out)] == ["0.0"] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", 0], "0 is not in the range x>=1"),
        (["--seed", -1], "-1 is not in the range x>=0"),
        (["--seed", 2**63 - 10], "the seed must be from 0 to"),
        (["--truncation", 1.1], "1.1 is not in the range"),
        (["--version", 4], "has no version 4; it has 1"),
        (["--server", "http://127.0.0.1:1"], "one of the two"),
        (["--label", "stable"], "a label needs a server"),
    ],
)
def test_sample_refuses(exported, tmp_path, arguments, message):
    result = invoke("sample", exported.parent, "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_a_server_may_have_many_models(tmp_path):
    result = invoke("sample", "--server", "http://127.0.0.1:1", "--out", tmp_path / "a")
    assert result.exit_code == 2
    assert "name one with --model" in result.output
    result = invoke("sample", "--out", tmp_path / "a")
    assert result.exit_code == 2
    assert "one of the two" in result.output


def test_sample_keeps_an_existing_folder(exported, tmp_path):
    (tmp_path / "kept.txt").write_text("kept")
    result = invoke("sample", exported.parent, "--out", tmp_path)
    assert result.exit_code == 2
    assert "exists already" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]
