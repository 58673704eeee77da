"""`gastritis-gan reading-study`: can people tell samples from real patches?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import PATH, json_option, store_option


@click.group(name="reading-study")
def reading_study() -> None:
    """Let people read real and synthetic images blindly, and count what they told.

    `make` writes a page for the readers and a key for yourself; every reader saves a
    CSV file with the page; `analyse` compares these with the key.

    \b
    Example:
      gastritis-gan reading-study make study.html --key study.key.json \\
          --store stores/phantom --exported exported
      gastritis-gan reading-study analyse answers_A.csv answers_B.csv \\
          --key study.key.json
    """


@reading_study.command()
@click.argument("page", type=PATH)
@click.option(
    "--key",
    required=True,
    type=PATH,
    help="File to make with the right answers. Keep it where no reader can see it.",
)
@store_option
@click.option(
    "--exported",
    required=True,
    type=PATH,
    help="Folder of exported models, at least one of each class.",
)
@click.option(
    "--per-group",
    default=15,
    show_default=True,
    type=click.IntRange(1, 500),
    help="Images of each class, real and synthetic each: four times as many in all.",
)
def make(
    page: Path, *, key: Path, store_path: Path, exported: Path, per_group: int
) -> None:
    """Write PAGE, such as study.html, and its key.

    The page works in any browser, by mouse or keyboard, without a network. Equally many
    real patches of test patients and samples of either class follow each other in an
    order that only the key knows.

    It shows patients: it must stay inside the hospital.

    \b
    Example:
      gastritis-gan reading-study make study.html --key study.key.json \\
          --store stores/phantom --exported exported
    """
    from gastritis_gan.reports.reading_study import make_reading_study

    make_reading_study(
        page, key=key, store=store_path, exported=exported, per_group=per_group
    )
    click.echo(
        f"For the readers:  {page} (shows patients: keep it inside), "
        f"{4 * per_group} images\nFor yourself:     {key}"
    )


@reading_study.command()
@click.argument("answers", nargs=-1, required=True, type=PATH)
@click.option("--key", required=True, type=PATH, help="The key that `make` wrote.")
@json_option
def analyse(answers: tuple[Path, ...], *, key: Path, as_json: bool) -> None:
    """Compare readers' ANSWERS, a CSV file of each, with the key.

    Prints for every reader how often real and synthetic were told apart, and the
    classes of real and of synthetic images, with 95 % intervals (Wilson's, each image a
    trial); for every two readers Cohen's kappa.

    \b
    Example:
      gastritis-gan reading-study analyse answers_A.csv answers_B.csv \\
          --key study.key.json
    """
    from gastritis_gan.reports.reading_study import analyse_reading_study

    result = analyse_reading_study(key, answers)
    click.echo(json.dumps(result.results, indent=2) if as_json else result.table)
