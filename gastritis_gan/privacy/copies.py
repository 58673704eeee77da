"""Copies of patients: known ones to plant, and the rate of those that are found."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import binomtest

from gastritis_gan.images import area_resize
from gastritis_gan.privacy.subjects import AuditCohort
from gastritis_gan.rng import stream
from gastritis_gan.stats import CONFIDENCE, patient_bootstrap
from gastritis_gan.store.store import Store

_CONTRAST = (0.7, 1.3)
_BRIGHTNESS = (-0.1, 0.1)  # of the range
_BEND_LENGTH = 1 / 8  # of a patch's side: sigma over which a displacement varies
_REGION = 5 / 8  # of a patch's side: 20 of 32 pixels
_MIN_STD = 1e-6  # keeps the levelling of flat parts finite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disguise:
    """How copies of one kind differ from a training patient's window.

    Attributes:
        kind: Name, in the plural of the copies it makes.
        turn: Degrees, to either side at random, or a range of both.
        scale: Range of the size at which the patient is shown; 1 is as it is.
        bend: Standard deviation in pixels of a smooth displacement in each direction.
        low_pass: Standard deviation in pixels of a Gaussian.
        cut: "halves" and "quarters" are filled up with another training patient's
            window, and a "region" of 5/8 of the side lies in a sample of the generator.
        contrast: Range of the factor on the contrast.
        brightness: Range of what is added, of the range [0, 1].
        noise_db: Signal to noise in decibels; at 20 the noise has a tenth of the
            contrast. Infinite for none.
    """

    kind: str
    turn: tuple[float, float] = (0, 0)
    scale: tuple[float, float] = (1, 1)
    bend: float = 0
    low_pass: float = 0
    cut: Literal["", "halves", "quarters", "region"] = ""
    contrast: tuple[float, float] = _CONTRAST
    brightness: tuple[float, float] = _BRIGHTNESS
    noise_db: float = 20

    @property
    def is_warped(self) -> bool:
        """Whether the pixels of a copy are not those of a window."""
        return self.turn != (0, 0) or self.scale != (1, 1) or self.bend > 0


PLAIN = Disguise(kind="noisy, other contrast")
"""The mildest disguise that every audit has to see through."""

DISGUISES = (
    PLAIN,
    Disguise(kind="exact", contrast=(1, 1), brightness=(0, 0), noise_db=np.inf),
    Disguise(kind="turned by 2 degrees", turn=(2, 2)),
    Disguise(kind="turned by 5 degrees", turn=(5, 5)),
    Disguise(kind="turned by 10 degrees", turn=(10, 10)),
    Disguise(kind="scaled by 0.9", scale=(0.9, 0.9)),
    Disguise(kind="scaled by 1.1", scale=(1.1, 1.1)),
    Disguise(kind="bent by 0.5 pixels", bend=0.5),
    Disguise(kind="bent by 1 pixel", bend=1),
    Disguise(kind="low-passed by 1 pixel", low_pass=1),
    Disguise(kind="low-passed by 1.5 pixels", low_pass=1.5),
    Disguise(kind="halves of two patients", cut="halves"),
    Disguise(kind="quarters of two patients", cut="quarters"),
    Disguise(kind="a region of 5/8 of the side", cut="region"),
    Disguise(
        kind="mild mixture", turn=(0, 3), scale=(0.95, 1.05), bend=0.5, low_pass=0.75
    ),
)
"""Every kind of planted copies. Their patches also start anywhere within a stride, are
flipped, and, except for the exact ones, have noise and another contrast."""


@dataclasses.dataclass(frozen=True)
class PlantedCopies:
    """Disguised windows of training images, all of one kind.

    Attributes:
        patches: float32 of shape (n, r, r), in [0, 1], multiples of 1/255.
        patient: Shape `(n,)`, whose image each comes from: position in the cohort's
            `patients`. Where two patients share a copy, one of them.
    """

    patches: NDArray[np.float32]
    patient: NDArray[np.int64]


def plant_copies(
    store: Store,
    cohort: AuditCohort,
    disguise: Disguise,
    *,
    samples: NDArray[np.float32],
    number: int,
    seed: int,
) -> PlantedCopies:
    """Draws windows of training images and disguises them.

    A window starts anywhere within one stride of a patch inside the organ, is averaged
    to the samples' size and flipped or not.

    Args:
        store: The store.
        cohort: Its training images must have patches inside the organ.
        disguise: What is done to them.
        samples: Of the generator, float32 of shape (m, r, r) in [0, 1]: what copied
            regions lie in.
        number: How many.
        seed: Of all draws.
    """
    generator = stream(seed, "privacy.planted", DISGUISES.index(disguise))
    is_shown = cohort.is_training[cohort.patient_of_image]
    images = cohort.images[is_shown]
    patient_of_image = cohort.patient_of_image[is_shown]
    resolution = samples.shape[1]
    chosen = generator.integers(len(images), size=number)
    patches = np.empty((number, resolution, resolution), np.float32)
    for position in np.unique(chosen):  # one image in memory at a time
        image = int(images[position])
        pixels = store.image(image)
        for index in np.flatnonzero(chosen == position):
            patches[index] = _window(
                store, image, pixels, disguise, resolution, generator
            )
    if disguise.cut == "region":
        others = samples[generator.integers(len(samples), size=number)]
    else:
        others = np.roll(patches, 1, axis=0)
    if disguise.cut:
        patches = _patch_together(patches, others, disguise.cut, generator)
    return PlantedCopies(_alter(patches, disguise, generator), patient_of_image[chosen])


def _window(
    store: Store,
    image: int,
    pixels: NDArray[np.generic],
    disguise: Disguise,
    resolution: int,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Draws a window of an image, warped, at the resolution and in [0, 1]."""
    size, stride = store.geometry.patch_size, store.geometry.stride
    patch = generator.choice(store.patches_of_image(image, inside_only=True))
    row, column = (
        min(int(start + generator.integers(stride)), side - size)
        for start, side in zip(
            (store.patch_row[patch], store.patch_column[patch]),
            pixels.shape,
            strict=True,
        )
    )
    if disguise.is_warped:
        places = _warped_places(size, disguise, size / resolution, generator)
        window = ndimage.map_coordinates(
            pixels.astype(np.float32),
            places + np.array([row, column])[:, None, None],
            order=1,
            mode="reflect",
        )
    else:
        window = pixels[row : row + size, column : column + size]
    small = area_resize(window, resolution) / np.float32(2**store.bits - 1)
    if disguise.low_pass:
        small = ndimage.gaussian_filter(small, disguise.low_pass, mode="nearest")
    flips = generator.choice([1, -1], size=2)
    return np.asarray(small[:: flips[0], :: flips[1]])


def _warped_places(
    size: int, disguise: Disguise, pixel: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Returns rows and columns `(2, size, size)` of where a warped window looks.

    Args:
        size: Side of the window in pixels of the image.
        disguise: Turn, scale and bend.
        pixel: Side of a pixel of the copy, in pixels of the image.
        generator: Of the draws.
    """
    middle = (size - 1) / 2
    grid = np.mgrid[:size, :size] - middle
    angle = np.deg2rad(generator.uniform(*disguise.turn) * generator.choice([1, -1]))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    places = np.einsum("ij,jyx->iyx", turn, grid) / generator.uniform(*disguise.scale)
    if disguise.bend:
        sigma = size * _BEND_LENGTH
        field = generator.standard_normal(grid.shape)
        field = ndimage.gaussian_filter(field, (0, sigma, sigma), mode="wrap")
        places += disguise.bend * pixel * field / field.std()
    return np.asarray(places + middle)


def _patch_together(
    patches: NDArray[np.float32],
    others: NDArray[np.float32],
    cut: str,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """Keeps parts of patches `(n, r, r)` and fills the rest with the others.

    The kept part gets the others' mean and contrast, so that no edge gives it away.
    """
    size = patches.shape[1]
    half, region = size // 2, round(size * _REGION)
    result = others.copy()
    for index, (patch, other) in enumerate(zip(patches, others, strict=True)):
        is_kept = np.zeros((size, size), bool)
        if cut == "region":
            row, column = generator.integers(size - region + 1, size=2)
            is_kept[row : row + region, column : column + region] = True
        else:
            is_kept[:half] = True
            if cut == "quarters":
                is_kept[:, :half] ^= True  # the diagonal ones
            elif generator.integers(2):
                is_kept = is_kept.T
        contrast = other[is_kept].std() / max(patch[is_kept].std(), _MIN_STD)
        levelled = (patch[is_kept] - patch[is_kept].mean()) * contrast
        result[index][is_kept] = levelled + other[is_kept].mean()
    return result


def _alter(
    patches: NDArray[np.float32], disguise: Disguise, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Changes contrast and brightness, adds noise, and rounds to grey levels."""
    shape = (len(patches), 1, 1)
    mean = patches.mean(axis=(1, 2), keepdims=True)
    altered = mean + generator.uniform(*disguise.contrast, size=shape) * (
        patches - mean
    )
    altered += generator.uniform(*disguise.brightness, size=shape)
    noise = altered.std(axis=(1, 2), keepdims=True) * 10 ** (-disguise.noise_db / 20)
    altered += noise * generator.standard_normal(patches.shape)
    grey = np.rint(np.clip(altered, 0, 1) * 255)
    return np.asarray(grey, np.float32) / np.float32(255)


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
