"""`gastritis-gan trace`: where a patient's images went."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from gastritis_gan.errors import InputError

from .options import PATH, json_option, key_option

_SIDES = {
    "train": "training: runs, exported models, their samples and releases learnt from",
    "validation": "validation: runs were watched on",
    "test": "test: results were measured on, and audits compared with,",
}


@click.command()
@click.argument("store_path", metavar="STORE", type=PATH)
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=PATH)
@key_option
@json_option
def trace(
    store_path: Path,
    folders: tuple[Path, ...],
    key_path: Path | None,
    as_json: bool,
) -> None:
    """Trace a patient who withdraws consent: in STORE, and in what was made of it.

    Reads the patient's name or number, as in `cohort.csv`, from standard input; a
    terminal asks for it and does not show it. It is written nowhere. Says on which side
    of the split the patient is, and which runs, exported models, releases, audits and
    results in the FOLDERs carry the store's split. docs/privacy.md says what follows.

    \b
    Examples:
      gastritis-gan trace stores/phantom runs exported releases audits results
      gastritis-gan trace stores/phantom /archive < patient.txt
    """
    from gastritis_gan.store.trace import trace_patient

    found = trace_patient(store_path, _read_patient(), folders, key=key_path)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), default=str, indent=2))
        return
    for path in found.unreadable:
        click.echo(f"{path} cannot be read: look at it yourself.", err=True)
    if found.split is None:
        click.echo(f"The patient is not in {store_path}.")
        return
    click.echo(
        f"The patient is in {store_path} with {found.num_images} images, on the side "
        f"of {_SIDES[found.split]} these images."
    )
    for file in found.files:
        click.echo(f"{file.kind:<16}{file.path}")
    if not folders:
        click.echo("No FOLDER was given: runs, models and releases were not searched.")
    elif not found.files:
        click.echo("Nothing in the folders carries the split of this store.")


def _read_patient() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Patient (not shown)", hide_input=True, err=True))
    lines = [line for line in sys.stdin.read(10_000).splitlines() if line.strip()]
    if len(lines) != 1:
        raise InputError(
            f"standard input has {len(lines)} lines; give one patient, the name or "
            "number as in cohort.csv."
        )
    return lines[0]
