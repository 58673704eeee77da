"""Known copies, slipped in among the samples: would the audit have noticed?"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.images import area_resize
from gastritis_gan.privacy.subjects import AuditCohort
from gastritis_gan.privacy.windows import flip_patches
from gastritis_gan.store.store import Store

NOISE_DB = 20.0  # signal to noise: the noise has a tenth of the patch's deviation
_CONTRAST = (0.7, 1.3)
_BRIGHTNESS = (-0.1, 0.1)  # of the range
_PLANT_STREAM = 2


@dataclasses.dataclass(frozen=True)
class PlantedCopies:
    """Altered windows of training images.

    Attributes:
        patches: uint8 of shape (n, r, r).
        patient: Shape `(n,)`, whose image each comes from: position in the cohort's
            `patients`.
    """

    patches: NDArray[np.uint8]
    patient: NDArray[np.int64]


def plant_copies(
    store: Store, cohort: AuditCohort, *, number: int, resolution: int, seed: int
) -> PlantedCopies:
    """Draws windows of training images and disguises them.

    A window starts anywhere within one stride of a patch inside the organ, is averaged
    to `resolution`, flipped or not, has its contrast scaled by 0.7 to 1.3 and its
    brightness moved by up to 0.1 of the range, and gets noise at 20 dB.

    Args:
        store: The store.
        cohort: Its training images must have patches inside the organ.
        number: How many.
        resolution: Of the generator, in pixels.
        seed: Of all draws.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, _PLANT_STREAM]))
    images = [
        (image, patient, patches)
        for image, patient in zip(cohort.images, cohort.patient_of_image, strict=True)
        if cohort.is_training[patient]
        and len(patches := store.patches_of_image(image, inside_only=True))
    ]
    patients = np.empty(number, np.int64)
    places = np.empty((number, 3), np.int64)
    for index in range(number):
        image, patients[index], patches = images[generator.integers(len(images))]
        corner = _shifted_corner(store, image, generator.choice(patches), generator)
        places[index] = image, *corner
    size = store.geometry.patch_size
    windows = np.empty((number, resolution, resolution), np.float32)
    for index in np.argsort(places[:, 0], kind="stable"):  # one image after the other
        image, row, column = places[index]
        window = store.image(image)[row : row + size, column : column + size]
        windows[index] = area_resize(window, resolution)
    windows /= 2**store.bits - 1
    turned = flip_patches(windows, generator.integers(4, size=number).astype(np.uint8))
    return PlantedCopies(_disguise(turned, generator), patients)


def _shifted_corner(
    store: Store, image: int, patch: int, generator: np.random.Generator
) -> tuple[int, int]:
    size, stride = store.geometry.patch_size, store.geometry.stride
    sides = store.images[image].height, store.images[image].width
    row, column = (
        min(int(start + generator.integers(stride)), side - size)
        for start, side in zip(
            (store.patch_row[patch], store.patch_column[patch]), sides, strict=True
        )
    )
    return row, column


def _disguise(
    patches: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.uint8]:
    shape = (len(patches), 1, 1)
    mean = patches.mean(axis=(1, 2), keepdims=True)
    contrast = generator.uniform(*_CONTRAST, size=shape)
    altered = mean + contrast * (patches - mean)
    altered += generator.uniform(*_BRIGHTNESS, size=shape)
    deviation = altered.std(axis=(1, 2), keepdims=True) * 10 ** (-NOISE_DB / 20)
    altered += deviation * generator.standard_normal(patches.shape)
    return np.asarray(np.rint(np.clip(altered, 0, 1) * 255).astype(np.uint8))
