"""Copies of patients: known ones to plant, and the rate of those that are found."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from gastritis_gan.images import average_windows
from gastritis_gan.privacy.subjects import AuditCohort
from gastritis_gan.privacy.windows import flip_patches
from gastritis_gan.rng import stream
from gastritis_gan.stats import CONFIDENCE, patient_bootstrap
from gastritis_gan.store.store import Store

NOISE_DB = 20.0  # signal to noise: the noise has a tenth of the patch's contrast
_CONTRAST = (0.7, 1.3)
_BRIGHTNESS = (-0.1, 0.1)  # of the range


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
    generator = stream(seed, "privacy.planted")
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
    order = np.argsort(places[:, 0], kind="stable")  # one image after the other
    windows = np.empty((number, resolution, resolution), np.float32)
    windows[order] = average_windows(
        (
            store.image(image)[row : row + size, column : column + size]
            for image, row, column in places[order]
        ),
        np.empty_like(windows),
        low=0,
    )
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
    noise = altered.std(axis=(1, 2), keepdims=True) * 10 ** (-NOISE_DB / 20)
    altered += noise * generator.standard_normal(patches.shape)
    return np.asarray(np.rint(np.clip(altered, 0, 1) * 255).astype(np.uint8))


@dataclasses.dataclass(frozen=True)
class ExcessRate:
    """Samples that match training patients beyond a threshold, minus the control's.

    A sample counts for the patient whom it matches best, and for no other.

    Attributes:
        training: Share of samples that match a training patient beyond the threshold.
        held_out: The same of held-out patients, scaled to as many.
        excess: The difference.
        low: Lower end of its 95 % interval over patients.
        high: Upper end.
    """

    training: float
    held_out: float
    excess: float
    low: float
    high: float


def excess_rate(
    scores: NDArray[np.float64],
    is_training: NDArray[np.bool_],
    *,
    threshold: float,
    seed: int,
) -> ExcessRate:
    """Measures an excess rate, with a percentile bootstrap over patients.

    Args:
        scores: From `stand_out`, of shape `(samples, patients)`.
        is_training: Shape `(patients,)`; both groups must occur.
        threshold: Scores above it count.
        seed: Of the resamples.
    """
    best, highest = scores.argmax(axis=1), scores.max(axis=1)
    counts = np.bincount(best[highest > threshold], minlength=len(is_training))
    share = counts / len(scores)  # of samples, per patient
    scale = is_training.sum() / (~is_training).sum()
    of_training, of_held_out = share * is_training, scale * share * ~is_training
    # Resampling may count the one patient of all copies several times.
    low, high = patient_bootstrap(
        lambda w: np.clip(w @ (of_training - of_held_out), -max(1.0, scale), 1),
        is_training,
        np.arange(len(is_training)),
        seed=seed,
    )
    return ExcessRate(
        training=float(of_training.sum()),
        held_out=float(of_held_out.sum()),
        excess=float(of_training.sum() - of_held_out.sum()),
        low=low,
        high=high,
    )


def copy_rate_bound(num_copies: int, num_samples: int, power: float) -> float:
    """Returns the highest rate of copies that the samples do not exclude.

    Samples are independent draws from the generator: Clopper and Pearson's one-sided
    95 % bound, divided by the probability that a copy is noticed.

    Reference: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    if power == 0:
        return 1.0
    found = binomtest(num_copies, num_samples, alternative="less")
    return min(1.0, float(found.proportion_ci(CONFIDENCE, "exact").high) / power)


def samples_needed(max_rate: float, power: float) -> int:
    """Returns how many samples without a copy exclude a rate above `max_rate`."""
    if max_rate * power >= 1:
        return 1
    return int(np.ceil(np.log(1 - CONFIDENCE) / np.log1p(-max_rate * power)))
