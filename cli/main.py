"""The command group: imports a command when named, turns errors into sentences."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gastritis_gan.errors import InputError, refusal_of
from gastritis_gan.tensorflow_setup import set_up_tensorflow
from gastritis_gan.version import __version__

_COMMANDS = (
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
)
_PACKAGES_OF_THE_CPU_EXTRA = (
    "tensorflow",
    "keras",
    "jinja2",
    "matplotlib",
    "sklearn",
    "skimage",
    "scipy",
    "waitress",
)


_FRAMES_SHOWN = 4
_COMMANDS_WITH_PATIENTS = (
    "prepare",
    "cohort",
    "init",
)  # their files' names may be secret


class _Refusal(click.ClickException):
    """A sentence on standard error and exit code 2."""

    exit_code = 2


class _Interrupted(click.ClickException):
    """A sentence on standard error and the exit code that shells give to Ctrl-C."""

    exit_code = 130


class _Commands(click.Group):
    """Loads a command's module when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(
            importlib.import_module(f"gastritis_gan.cli.{name}"), name
        )
        return command

    def invoke(self, ctx: click.Context) -> Any:
        words = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # click ends them as it should
        except KeyboardInterrupt as error:
            raise _Interrupted(
                "interrupted; what is half written is either removed or resumed by the "
                "same command."
            ) from error
        except Exception as error:
            raise _refusal(error, words) from error


def _refusal(error: Exception, words: Sequence[str]) -> click.ClickException:
    """Returns what a user sees of an exception: one sentence.

    Args:
        error: What a command raised.
        words: The command and its arguments.
    """
    if isinstance(error, InputError):
        return _Refusal(str(error))
    package = getattr(error, "name", None) or ""
    if (
        isinstance(error, ModuleNotFoundError)
        and package.partition(".")[0] in _PACKAGES_OF_THE_CPU_EXTRA
    ):
        return _Refusal(
            f"this command needs {package.partition('.')[0]}, which the plain install "
            "leaves out. Install 'gastritis-gan[cpu]', or 'gastritis-gan[gpu]' on a "
            "machine with an NVIDIA GPU."
        )
    if isinstance(error, OSError):
        return _Refusal(str(refusal_of(error, _named(error, words))))
    kind = type(error).__name__
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":
        return _Refusal(
            "memory ran out, or the disk is full. Free some, or ask for less (in the "
            "config, `schedule.batch_size` and `samples_per_generator`)."
        )
    frames = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if not {"gastritis_gan", "cli"}.isdisjoint(Path(frame.filename).parts)
    ]
    return click.ClickException(
        f"unexpected {kind} ({' > '.join(frames[-_FRAMES_SHOWN:])}), most likely a "
        "mistake of gastritis-gan: please report this line."
    )


def _named(error: OSError, words: Sequence[str]) -> str:
    """Returns what a message may call the file that an error is about.

    It is the path that the user gave, if the file is that or lies below or beside it.
    """
    if not isinstance(error.filename, str | os.PathLike):
        return "what this command reads or writes"
    named = Path(error.filename).absolute()
    given = [word.rpartition("=")[2] for word in words[1:] if not word.isdecimal()]
    given.sort(key=lambda word: len(Path(word).absolute().parts), reverse=True)
    for word in given:
        path = Path(word).absolute()
        is_beside = named.parent == path.parent and path.name in named.name
        is_below = str(named).startswith(str(path))  # also OUT.partial/plan.json
        if (is_below or is_beside) and "--verbose" not in words:
            return word
    if words[0] in _COMMANDS_WITH_PATIENTS and "--verbose" not in words:
        return "a file or folder (its name may be a patient's; --verbose shows it)"
    return str(named)


@click.command(cls=_Commands)
@click.version_option(__version__, prog_name="gastritis-gan")
def main() -> None:
    """Turn a hospital's radiographs into a synthetic data set.

    \b
    cohort --prepare--> store --fit--> run --export--> model --sample, serve--> images
    `phantom` makes a cohort to try everything on. `gan-train` measures what samples are
    worth and `audit` whether they give a patient away; `release` needs an audit.

    \b
    Exit codes: 0 done; 1 a mistake of gastritis-gan; 2 input that cannot be used, in a
    sentence; 3 and 4 an audit that failed or is undecided; 130 Ctrl-C, 143 SIGTERM.
    """
    for stream in (sys.stdout, sys.stderr):  # of a locale that lacks letters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    set_up_tensorflow()
