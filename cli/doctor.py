"""`gastritis-gan doctor`: is everything here that the commands need?"""

from __future__ import annotations

import dataclasses
import json

import click

from .options import json_option


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Look at versions, devices, memory, disk, weights and servers.

    A line each: ok, missing (which is no mistake) or broken, and what to do. Nothing is
    changed or downloaded. Exit code 2 if something that is installed is broken.

    \b
    Examples:
      gastritis-gan doctor
      gastritis-gan doctor --json
    """
    from gastritis_gan.machine import examine_machine

    findings = examine_machine()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(f) for f in findings], indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.name:<{width}}  {finding.state:<7}  {finding.text}")
            if finding.way_out:
                click.echo(f"{'':<{width + 11}}-> {finding.way_out}")
    if any(finding.state == "broken" for finding in findings):
        raise SystemExit(2)
