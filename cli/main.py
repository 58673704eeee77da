"""The command group: imports a command when named, turns errors into sentences."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

from gastritis_gan.errors import InputError
from gastritis_gan.tensorflow_setup import set_up_tensorflow
from gastritis_gan.version import __version__

_COMMANDS = (
    "phantom",
    "cohort",
    "prepare",
    "inspect",
    "fit",
    "runs",
    "export",
    "sample",
    "verify",
    "serve",
    "release",
    "gan-train",
    "image-metrics",
    "compare",
    "weights",
    "audit",
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


class _Refusal(click.ClickException):
    """A sentence on standard error and exit code 2."""

    exit_code = 2


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
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise _Refusal(str(error)) from error
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in _PACKAGES_OF_THE_CPU_EXTRA:
                raise
            raise _Refusal(
                f"this command needs {package}, which the plain install leaves out. "
                "Install 'gastritis-gan[cpu]', or 'gastritis-gan[gpu]' on a machine "
                "with an NVIDIA GPU."
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise _Refusal(
                "the disk is full; nothing half written was left. Free some space and "
                "run the same command again."
            ) from error


@click.command(cls=_Commands)
@click.version_option(__version__, prog_name="gastritis-gan")
def main() -> None:
    """Turn a hospital's radiographs into a synthetic data set.

    \b
    cohort --prepare--> store --fit--> run --export--> model --sample, serve--> images
    `phantom` makes a cohort to try everything on. `gan-train` measures what samples are
    worth and `audit` whether they give a patient away; `release` needs an audit.
    """
    set_up_tensorflow()
