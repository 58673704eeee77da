"""Recall, false alarms and time of the search for burned-in text.

    python benchmarks/burned_in_text.py COHORT [--films 20] [--ink 255]
        [--latin FONT] [--japanese FONT] [--positive CLASS] [--negative CLASS]

Into films of a cohort (a folder with `cohort.csv`) it writes texts of five sizes
(pixels of the type) in Latin letters, digits, kanji and kana, half of them inside the
organ, and lone side markers, and looks for them. A text is found when half of its area
is covered. The boxes that are found before anything is written are printed by film:
whether they are the film's own text or false alarms, a person has to look at.
"""

from __future__ import annotations

import argparse
import collections
import time
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gastritis_gan.cohort.cohort import read_cohort
from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.cohort.image_file import read_image
from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.store.burned_in_text import find_text, load_detector, verdict_on

SIZES = (40, 28, 20, 14, 10)  # the largest first: they need the most room
TEXTS = {
    "Latin": ("DOE JANE", "Smith, A.", "MUELLER K", "Okafor Ngozi"),
    "digits": ("1962-03-14", "4711023", "19:05:33", "2026.11.30"),
    "kanji": ("山田太郎", "佐藤花子", "鈴木一", "国立病院"),
    "kana": ("ヤマダ タロウ", "さとう はなこ", "スズキ", "たなか"),
    "side marker": ("L", "R"),
}
GAP_PX = 25  # between two texts

Planted = tuple[tuple[int, int, int, int], tuple[int, str, bool]]


def plant(
    image: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    fonts: dict[str, str],
    ink: int,
) -> tuple[np.ndarray, list[Planted]]:
    """Returns the film with texts, and each text's box, size, script and place."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    planted: list[Planted] = []
    for size in SIZES:
        for script, texts in TEXTS.items():
            text = texts[rng.integers(len(texts))]
            font = ImageFont.truetype(fonts[script], size)
            left, top, right, bottom = map(round, draw.textbbox((0, 0), text, font))
            height, width = bottom - top, right - left
            wanted = rng.random() < 0.5
            for _ in range(2000):
                row = int(rng.integers(4, image.shape[0] - height - 4))
                column = int(rng.integers(4, image.shape[1] - width - 4))
                is_inside = bool(mask[row + height // 2, column + width // 2])
                box = (row, column, row + height, column + width)
                if is_inside == wanted and not any(_touch(box, o) for o, _ in planted):
                    draw.text((column - left, row - top), text, ink, font=font)
                    planted.append((box, (size, script, is_inside)))
                    break
    return np.asarray(picture), planted


def _touch(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(a[k] < b[k + 2] + GAP_PX and b[k] < a[k + 2] + GAP_PX for k in range(2))


def main() -> None:
    """Parses the command line, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--ink", type=int, default=255)
    parser.add_argument("--positive", default="gastritis")
    parser.add_argument("--negative", default="non_gastritis")
    parser.add_argument(
        "--latin", default="/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
    )
    parser.add_argument(
        "--japanese", default="/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf"
    )
    arguments = parser.parse_args()
    fonts = {
        script: arguments.japanese if script[0] == "k" else arguments.latin
        for script in TEXTS
    }
    rng = np.random.default_rng(0)
    load_detector()
    found: collections.Counter[tuple[int, str, bool]] = collections.Counter()
    total: collections.Counter[tuple[int, str, bool]] = collections.Counter()
    verdicts: collections.Counter[str] = collections.Counter()
    seconds = []
    cohort = read_cohort(
        arguments.cohort, positive=arguments.positive, negative=arguments.negative
    )
    rows = [row for row in cohort.images if row.outline]
    for row in rows[:: -(-len(rows) // arguments.films)]:
        image = read_image(row.image, bits=CohortConfig().bits).pixels
        mask = read_outline(row.outline, shape=image.shape, image=row.image)
        start = time.process_time()
        boxes = find_text(image)
        seconds.append(time.process_time() - start)
        verdicts[verdict_on(boxes)] += 1
        if len(boxes):
            click.echo(f"row {row.row}: {boxes.tolist()}")
        written, planted = plant(image, mask, rng, fonts, arguments.ink)
        covered = np.zeros(image.shape, bool)
        for top, left, bottom, right in find_text(written):
            covered[top:bottom, left:right] = True
        for (top, left, bottom, right), kind in planted:
            total[kind] += 1
            found[kind] += covered[top:bottom, left:right].mean() >= 0.5
    click.echo(f"{len(seconds)} films, before texts were written: {dict(verdicts)}")
    click.echo(f"CPU seconds per film: {np.median(seconds):.2f} (median)")
    click.echo("| size | " + " | ".join(f"{script} in, out" for script in TEXTS) + " |")
    click.echo("|--:" * (len(TEXTS) + 1) + "|")
    for size in SIZES[::-1]:
        cells = [
            ", ".join(
                f"{found[size, script, inside]}/{total[size, script, inside]}"
                for inside in (True, False)
            )
            for script in TEXTS
        ]
        click.echo(f"| {size} | " + " | ".join(cells) + " |")
    for inside in (True, False):
        kinds = [k for k in total if k[2] == inside and k[1] != "side marker"]
        share = sum(found[k] for k in kinds) / sum(total[k] for k in kinds)
        click.echo(f"{'inside' if inside else 'outside'}: {share:.3f}")


if __name__ == "__main__":
    main()
