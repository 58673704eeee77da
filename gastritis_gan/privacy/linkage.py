"""Does a sample lead to a patient by another image of the same patient?"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.membership import Rate
from gastritis_gan.stats import patient_bootstrap


@dataclasses.dataclass(frozen=True)
class Linkage:
    """How often a second image leads to the same patient.

    Attributes:
        num_patients: With at least two images.
        num_samples: Whose best match is an image of such a patient.
        rate: Of these samples, the share whose best match among all other images is
            again the same patient.
        chance: The rate of guessing.
    """

    num_patients: int
    num_samples: int
    rate: Rate
    chance: float


def measure_linkage(
    scores: NDArray[np.floating], patient_of_image: NDArray[np.int64], *, seed: int
) -> Linkage | None:
    """Looks for each sample's patient by the patient's other images.

    Args:
        scores: Shape `(samples, images)`, of one group of patients.
        patient_of_image: Shape `(images,)`.
        seed: Of the resamples of patients.

    Returns:
        None where no sample's best match has a second image.
    """
    num_images = np.bincount(patient_of_image)
    best = scores.argmax(axis=1)
    patient = patient_of_image[best]
    usable = np.flatnonzero(num_images[patient] > 1)
    if not len(usable) or (num_images > 0).sum() < 2:
        return None
    rest = scores[usable].astype(np.float64)
    rest[np.arange(len(usable)), best[usable]] = -np.inf
    is_again = patient_of_image[rest.argmax(axis=1)] == patient[usable]
    hits = np.bincount(patient[usable], weights=is_again, minlength=len(num_images))
    tries = np.bincount(patient[usable], minlength=len(num_images))
    hits, tries = hits[tries > 0], tries[tries > 0]
    low, high = patient_bootstrap(
        lambda w: (w @ hits) / (w @ tries),
        np.ones(len(tries), bool),
        np.arange(len(tries)),
        seed=seed,
    )
    others = num_images[patient[usable]] - 1
    return Linkage(
        num_patients=int((num_images > 1).sum()),
        num_samples=len(usable),
        rate=Rate(float(is_again.mean()), low, high),
        chance=float((others / (len(patient_of_image) - 1)).mean()),
    )
