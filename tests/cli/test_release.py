"""`gastritis-gan release`."""

import json

import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main

RISK = ("--accept-risk", "weights were drawn at random")


def release(models, out, *options):
    arguments = ["release", str(models), "--out", str(out), *map(str, options)]
    return CliRunner().invoke(main, arguments)


def test_release(exported, tmp_path):
    out = tmp_path / "r"
    result = release(exported, out, *RISK, "--count", "small=3", "--licence", "CC0")
    assert result.exit_code == 0, result.output
    assert str(out / "DATASHEET.md") in result.output
    assert len(list((out / "images" / "gastritis").iterdir())) == 3
    command = json.loads((out / "release.json").read_text())["command"]
    assert command.startswith("gastritis-gan release exported/small/1 --count small=3")
    assert "--accept-risk 'weights were drawn at random'" in command
    assert "--licence CC0 --date " in command
    assert command.endswith(" --out releases/r")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "needs a passing privacy audit"),
        ((*RISK, "--count", "small"), "cannot be read; write NAME=100"),
        ((*RISK, "--count", "small=0"), "cannot be read; write NAME=100"),
    ],
)
def test_refusals(exported, tmp_path, options, message):
    result = release(exported, tmp_path / "r", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []
