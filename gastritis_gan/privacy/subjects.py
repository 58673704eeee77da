"""Who and what an audit compares: a generator, its samples and the patients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.images import average_windows
from gastritis_gan.privacy.verdict import AuditedModel
from gastritis_gan.rng import stream
from gastritis_gan.storage import kept_rows
from gastritis_gan.store.store import Store

GROUPS = {"training": True, "held_out": False}
"""The two groups of patients by name: whether the generator saw them."""

OTHER_CLASS = {"positive": "negative", "negative": "positive"}

_SAMPLES_PER_FILE = 256

Correlate = Callable[
    [NDArray[np.float32], NDArray[np.float32]],
    tuple[NDArray[np.float32], NDArray[np.float32]],
]
"""From latents `(n, latent_dim)` and targets `(n, r, r)` to the correlations `(n,)` of
the generated images with their targets, and their gradients `(n, latent_dim)`."""

Generate = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From latents `(n, latent_dim)` to images `(n, r, r)`."""

Discriminate = Callable[[NDArray[np.float32]], NDArray[Any]]
"""From patches `(n, r, r, 1)` of one patient in [-1, 1] to scores `(n,)`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditSubject:
    """A generator and what an attacker may have of it.

    Attributes:
        model: Name, version and hash.
        label: "positive" or "negative": the class that it imitates.
        resolution: Side of its images in pixels.
        latent_dim: Length of a latent.
        sample: From seeds `(n,)` to images, uint8 `(n, r, r, 1)`.
        open_gradient: Returns the functions `correlate` and `generate` of the exported
            generator (see `latent_search`); None leaves that attack out.
        discriminate: The discriminator; None leaves that attack out.
    """

    model: AuditedModel
    label: str
    resolution: int
    latent_dim: int
    sample: Callable[[NDArray[np.int64]], NDArray[np.uint8]]
    open_gradient: Callable[[], tuple[Correlate, Generate]] | None = None
    discriminate: Discriminate | None = None


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
        out = np.empty((len(images), size, size), np.float32)
        return average_windows(images[..., 0], out, low=0)

    return kept_rows(
        folder,
        number,
        draw,
        rows_per_file=_SAMPLES_PER_FILE,
        description=f"audit, samples of {subject.model.name}",
    )


@dataclasses.dataclass(frozen=True)
class AuditCohort:
    """The patients of one class, in two groups that a random split made.

    Attributes:
        images: Shape `(images,)`, positions in the store's `images`.
        patient_of_image: Shape `(images,)`, positions in `patients`.
        patients: Pseudonyms, in the order in which the store lists their images: like
            its split, that depends on the cohort and the seed, not on the secret key.
        is_training: Shape `(patients,)`: whether the generator saw the patient.
    """

    images: NDArray[np.int64]
    patient_of_image: NDArray[np.int64]
    patients: tuple[str, ...]
    is_training: NDArray[np.bool_]

    def per_patient(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns each patient's best score, of `(samples, images)` scores."""
        best = np.full((len(scores), len(self.patients)), -np.inf)
        for column, patient in enumerate(self.patient_of_image):
            np.maximum(best[:, patient], scores[:, column], out=best[:, patient])
        return best

    def patches_of(self, store: Store, patient: int) -> NDArray[np.int64]:
        """Returns a patient's patches inside the organ, as rows of the patch table."""
        return np.concatenate(
            [
                store.patches_of_image(image, inside_only=True)
                for image in self.images[self.patient_of_image == patient]
            ]
        )


def choose_cohort(store: Store, label: str, *, seed: int) -> AuditCohort:
    """Takes all training patients of a class and at most as many held-out ones.

    Only images with a patch inside the organ count, for only those train the generator
    of a class; a test image without outline has none.

    Args:
        store: The store.
        label: "positive" or "negative".
        seed: Of the choice among the held-out patients.
    """
    usable = [
        index
        for index, image in enumerate(store.images)
        if image.label == label and len(store.patches_of_image(index, inside_only=True))
    ]
    training, held_out = (
        list(
            dict.fromkeys(
                store.images[i].patient
                for i in usable
                if store.images[i].split == split
            )
        )
        for split in ("train", "test")
    )
    order = stream(seed, "privacy.held_out").permutation(len(held_out))
    chosen = sorted(order[: len(training)])
    patients = (*training, *(held_out[i] for i in chosen))
    number = {patient: index for index, patient in enumerate(patients)}
    images = [i for i in usable if store.images[i].patient in number]
    return AuditCohort(
        images=np.array(images, np.int64),
        patient_of_image=np.array(
            [number[store.images[i].patient] for i in images], np.int64
        ),
        patients=patients,
        is_training=np.arange(len(patients)) < len(training),
    )
