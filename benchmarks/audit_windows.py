"""Windows of a store's patients, plain and disguised, for the studies of the audit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gastritis_gan.images import area_resize
from gastritis_gan.privacy.copies import plant_copies
from gastritis_gan.privacy.subjects import AuditCohort
from gastritis_gan.store.store import Store


def images_of_patients(store: Store, label: str) -> dict[str, list[int]]:
    """Returns the images of each patient of a class that have patches in the organ."""
    found: dict[str, list[int]] = {}
    for index, image in enumerate(store.images):
        if image.label == label and len(
            store.patches_of_image(index, inside_only=True)
        ):
            found.setdefault(image.patient, []).append(index)
    return found


def draw_windows(
    store: Store, images: Sequence[int], *, number: int, resolution: int, seed: int
) -> np.ndarray:
    """Draws windows that start anywhere within a stride of a patch in the organ.

    Returns:
        uint8 of shape (number, resolution, resolution).
    """
    rng = np.random.default_rng(seed)
    size, stride = store.geometry.patch_size, store.geometry.stride
    windows = []
    for _ in range(number):
        image = images[rng.integers(len(images))]
        pixels = store.image(image)
        patch = rng.choice(store.patches_of_image(image, inside_only=True))
        row, column = (
            min(int(start + rng.integers(stride)), side - size)
            for start, side in zip(
                (store.patch_row[patch], store.patch_column[patch]),
                pixels.shape,
                strict=True,
            )
        )
        windows.append(
            area_resize(pixels[row : row + size, column : column + size], resolution)
        )
    grey = np.array(windows) * (255 / (2**store.bits - 1))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


def draw_copies(
    store: Store, images: Sequence[int], *, number: int, resolution: int, seed: int
) -> np.ndarray:
    """Draws windows like the audit's planted copies: turned, altered, noisy.

    Returns:
        uint8 of shape (number, resolution, resolution).
    """
    one = AuditCohort(
        images=np.array(images),
        patient_of_image=np.zeros(len(images), np.int64),
        patients=("",),
        is_training=np.array([True]),
    )
    return plant_copies(
        store, one, number=number, resolution=resolution, seed=seed
    ).patches
