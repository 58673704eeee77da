"""`gastritis-gan inspect`: what a store holds, for a person to check."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("store_path", metavar="STORE", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to make; it must not exist.",
)
def inspect(store_path: Path, folder: Path) -> None:
    """Count what STORE holds and draw contact sheets of its images.

    Writes inspection.md (patches per set, class, split and patient, beside the paper's;
    images that are there twice, have burned-in text, or are to be looked at),
    counts.json (the same, and per image) and sheet_SPLIT_CLASS_NUMBER.png: every image
    with its outline and the boxes of its text, and with a square at the centre of each
    patch, coloured by what the patch is. Text is looked for with the extra [text].

    The sheets show patients' images: keep them where the store is kept.

    \b
    Example:
      gastritis-gan inspect stores/phantom --out inspections/phantom
    """
    from gastritis_gan.storage import read_json, refuse_existing
    from gastritis_gan.store.inspect import (
        COUNTS_FILE,
        TABLES_FILE,
        count_text,
        images_of_notes,
        inspect_store,
        table_beside_paper,
    )
    from gastritis_gan.store.store import Store

    refuse_existing(folder)
    store = Store.open(store_path)
    duplicates = inspect_store(store, folder)
    for duplicate in duplicates:
        click.echo(f"Warning: the images {duplicate}.", err=True)
    for note, images in images_of_notes(store).items():
        found = f"{len(images)} of {len(store.images)}"
        click.echo(f"Warning: {found} images {note}", err=True)
    counts = read_json(folder / COUNTS_FILE)
    click.echo(count_text([image["text"] for image in counts["images"]]))
    click.echo("Training patches beside the paper's:")
    click.echo(table_beside_paper(store))
    click.echo(f"Tables:         {folder / TABLES_FILE}")
    click.echo(f"Contact sheets: {folder / 'sheet_*.png'}")
