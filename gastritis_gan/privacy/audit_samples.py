"""The samples that an audit examines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.data.area_resize import AreaResize
from gastritis_gan.privacy.audit_subject import AuditSubject
from gastritis_gan.progress import progress_bar

_BATCH = 256


def draw_samples(
    subject: AuditSubject, *, number: int, size: int
) -> NDArray[np.float32]:
    """Draws the images of the seeds 0, 1, 2, ... that `sample` gives by default.

    Args:
        subject: The generator.
        number: How many.
        size: Side in pixels to which they are averaged.

    Returns:
        Shape `(number, size, size)`, in [0, 1].
    """
    samples = np.empty((number, size, size), np.float32)
    bar = progress_bar(
        total=number,
        description=f"audit, samples of {subject.model.name}",
        unit="image",
    )
    with bar:
        for start in range(0, number, _BATCH):
            seeds = np.arange(start, min(start + _BATCH, number))
            samples[seeds] = shrink(subject.sample(seeds)[..., 0], size)
            bar.update(len(seeds))
    return samples


def shrink(images: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Averages `(n, r, r)` images to `size` pixels, in [0, 1]."""
    shrunk = np.empty((len(images), size, size), np.float32)
    resize = AreaResize(images.shape[1], size)
    for image, target in zip(images, shrunk, strict=True):
        resize(image, target)
    return np.divide(shrunk, np.float32(255), out=shrunk)
