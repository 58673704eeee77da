from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from gastritis_gan import __version__
from gastritis_gan.cli.main import main

COMMANDS = [
    "phantom",
    "cohort",
    "init",
    "prepare",
    "inspect",
    "fit",
    "runs",
    "export",
    "sample",
    "walk",
    "verify",
    "serve",
    "release",
    "gan-train",
    "image-metrics",
    "compare",
    "weights",
    "audit",
    "trace",
    "report",
    "reading-study",
    "doctor",
    "reproduce",
]

# One fresh interpreter asks for every help text and lists what it had to import.
_ASK_ALL = """
import json, sys
from click.testing import CliRunner
from gastritis_gan.cli.main import main
helps = {}
for name in [None, *sys.argv[1:]]:
    arguments = ["--help"] if name is None else [name, "--help"]
    helps[name or "main"] = CliRunner().invoke(main, arguments)
heavy = ("tensorflow", "keras", "sklearn", "skimage", "scipy", "numpy", "yaml")
print(json.dumps({
    "failed": {n: r.output for n, r in helps.items() if r.exit_code != 0},
    "imported": sorted(set(heavy) & set(sys.modules)),
}))
"""


def test_every_help_answers_at_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _ASK_ALL, *COMMANDS],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        text=True,
    )

    assert json.loads(done.stdout) == {"failed": {}, "imported": []}


def test_main_lists_every_command():
    listed = CliRunner().invoke(main, ["--help"]).output.partition("Commands:")[2]

    assert [line.split()[0] for line in listed.splitlines() if line] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_shows_an_example(name):
    output = CliRunner().invoke(main, [name, "--help"]).output

    assert f"gastritis-gan {name} " in output


def test_version():
    result = CliRunner().invoke(main, ["--version"])

    assert (result.exit_code, result.output) == (
        0,
        f"gastritis-gan, version {__version__}\n",
    )


def test_an_unknown_command_is_refused():
    result = CliRunner().invoke(main, ["fitt"])

    assert result.exit_code == 2
    assert "No such command 'fitt'" in result.output


def test_without_the_extra_a_command_says_which_to_install(exported, tmp_path):
    light_install = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; "
        "from gastritis_gan.cli.main import main; main()"
    )

    done = subprocess.run(
        [sys.executable, "-c", light_install, "sample", exported, "--out", "new"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        text=True,
    )

    assert done.returncode == 2
    assert "'gastritis-gan[cpu]'" in done.stderr
    assert "Traceback" not in done.stderr
