"""The samples that an audit examines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.images import AreaResize
from gastritis_gan.privacy.audit_subject import AuditSubject
from gastritis_gan.storage import kept_rows

_BATCH = 256


def draw_samples(
    subject: AuditSubject, *, number: int, size: int, folder: Path
) -> NDArray[np.float32]:
    """Draws the images of the seeds 0, 1, 2, ... that `sample` gives by default.

    Args:
        subject: The generator.
        number: How many.
        size: Side in pixels to which they are averaged.
        folder: Keeps them, in a file for every 256.

    Returns:
        Shape `(number, size, size)`, in [0, 1].
    """

    def draw(part: slice) -> NDArray[np.float32]:
        images = subject.sample(np.arange(part.start, part.stop))
        return shrink(images[..., 0], size)

    return kept_rows(
        folder,
        number,
        draw,
        rows_per_file=_BATCH,
        description=f"audit, samples of {subject.model.name}",
    )


def shrink(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Averages `(n, r, r)` images to `size` pixels, in [0, 1]."""
    shrunk = np.empty((len(images), size, size), np.float32)
    resize = AreaResize(images.shape[1], size)
    for image, target in zip(images, shrunk, strict=True):
        resize(image, target)
    return np.divide(shrunk, np.float32(255), out=shrunk)
