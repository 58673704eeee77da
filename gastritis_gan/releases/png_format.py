"""A release as PNG files, a folder per class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from gastritis_gan.releases.released_image import ReleasedImage


def write_png(
    images: Iterable[ReleasedImage], folder: Path
) -> Iterator[tuple[ReleasedImage, str]]:
    """Writes `images/<class>/000000.png` ... and yields each image with its path."""
    for image in images:
        path = f"images/{image.class_name}/{image.stem}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels).save(folder / path)
        yield image, path
