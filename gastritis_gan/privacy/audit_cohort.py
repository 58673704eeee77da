"""Whose images an audit compares: training patients and as many held-out ones."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.store.store import Store

_HELD_OUT_STREAM = 0


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
        label: "positive" or "negative": the class that the generator imitates. The
            groups hold this class only, as its training did.
        seed: Of the draw of the held-out patients.
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
    generator = np.random.Generator(np.random.Philox(key=[seed, _HELD_OUT_STREAM]))
    order = generator.permutation(len(held_out))[: len(training)]
    patients = (*training, *(held_out[i] for i in sorted(order)))
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
