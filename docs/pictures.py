"""Draws the strip of pictures at the top of README.md.

    python docs/pictures.py --store STORE --positive MODEL --negative MODEL \
        --audit AUDIT --out docs/images/strip.png

The store must be of the phantom: the strip shows patches of its test patients.
"""

from __future__ import annotations

import textwrap

import click
import matplotlib as mpl
import numpy as np
from PIL import Image

import gastritis_gan as gg
from gastritis_gan import rng
from gastritis_gan.images import image_sheet
from gastritis_gan.privacy.verdict import read_verdict

_COLUMNS = 3
_SEEDS = range(_COLUMNS**2)
_SAYS = {
    "pass": "No sample is closer to a training patient than to strangers, beyond the "
    "stated rates.",
    "fail": "Samples give training patients away: not to be released.",
    "undecided": "No leak was found, but not every test could have found one.",
}


@click.command()
@click.option("--store", "store_path", required=True)
@click.option("--positive", required=True)
@click.option("--negative", required=True)
@click.option("--audit", required=True)
@click.option("--out", required=True)
def draw(store_path: str, positive: str, negative: str, audit: str, out: str) -> None:
    """Draws film, patches, samples and verdict side by side."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    store = gg.open_store(store_path)
    if not store.is_synthetic:
        raise click.ClickException(f"{store_path} may show patients")
    models = {"positive": gg.open_model(positive), "negative": gg.open_model(negative)}
    figure, axes = plt.subplots(
        1, 6, figsize=(14, 2.9), gridspec_kw={"width_ratios": [1, 1, 1, 1, 1, 0.9]}
    )
    _draw_film(axes[0], store)
    for index, (target, model) in enumerate(models.items()):
        name = getattr(store, target)
        patches = store.patch_set(target, "test")
        chosen = rng.stream(0, "docs.pictures", index).permutation(patches)
        sets = {
            f"{name}, real": store.read(chosen[: len(_SEEDS)], model.resolution),
            f"{name}, LC-PGGAN": model.generate(_SEEDS),
        }
        for place, (title, images) in enumerate(sets.items()):
            panel = axes[1 + 2 * index + place]
            panel.imshow(image_sheet(images, _COLUMNS), cmap="gray", vmin=0, vmax=255)
            panel.set_title(title, fontsize=10)
    verdict = read_verdict(audit).verdict
    axes[5].set_box_aspect(1 / 0.9)
    axes[5].set_title("audit", fontsize=10)
    axes[5].text(0.02, 0.9, verdict.upper(), fontsize=17, va="top", weight="bold")
    says = textwrap.fill(_SAYS[verdict], 24)
    axes[5].text(0.02, 0.68, says, fontsize=9, va="top")
    for panel in axes:
        panel.set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.savefig(out, dpi=110)
    # Greys and one colour: a palette is enough, and a third of the bytes.
    Image.open(out).convert("RGB").quantize(128).save(out, optimize=True)


def _draw_film(panel, store) -> None:
    index = next(i for i, image in enumerate(store.images) if image.split == "test")
    panel.imshow(store.image(index), cmap="gray")
    outline = Image.open(store.path / "outlines" / f"{store.images[index].key}.png")
    panel.contour(np.asarray(outline) > 0, [0.5], colors=["#e69f00"], linewidths=1.2)
    panel.set_title("film and outline", fontsize=10)


if __name__ == "__main__":
    draw()
