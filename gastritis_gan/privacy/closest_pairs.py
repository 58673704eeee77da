"""The samples that come closest to patients, beside what they match."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gastritis_gan.images import image_sheet
from gastritis_gan.privacy.generator_audit import GeneratorFindings
from gastritis_gan.privacy.windows import FLIPS, flip_patches, scale_image
from gastritis_gan.store.store import Store

NUM_PAIRS = 8
_MIN_SIDE = 96  # pixels on the page


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClosestPair:
    """A sample and the window of a patient's image that it matches best.

    Attributes:
        seed: Of the sample.
        patient: Pseudonym.
        image: Key.
        correlation: Of the two, -1 to 1.
        score: How far the patient stands out with it (see `stand_out`).
        row: Top of the window in the image, in pixels.
        column: Left of the window.
        flip: How the sample had to be turned.
    """

    seed: int
    patient: str
    image: str
    correlation: float
    score: float
    row: float
    column: float
    flip: str


def closest_pairs(
    findings: GeneratorFindings, store: Store, *, of_training: bool
) -> list[ClosestPair]:
    """Returns the closest pair of each of the eight most exposed patients of a group.

    Args:
        findings: With at least one space, pixels first.
        store: The audited store.
        of_training: Whether the patients trained the generator.
    """
    cohort, space = findings.cohort, findings.spaces[0]
    group = np.flatnonzero(cohort.is_training == of_training)
    order = np.argsort(-space.exposure.exposure[group], kind="stable")
    pairs = []
    for patient in group[order[:NUM_PAIRS]]:
        sample = int(space.scores[:, patient].argmax())
        images = np.flatnonzero(cohort.patient_of_image == patient)
        image = max(images, key=lambda i: findings.matches[i].score[sample])
        match = findings.matches[image]
        pairs.append(
            ClosestPair(
                seed=sample,
                patient=cohort.patients[patient],
                image=store.images[cohort.images[image]].key,
                correlation=float(match.score[sample]),
                score=float(space.scores[sample, patient]),
                row=float(match.row[sample]),
                column=float(match.column[sample]),
                flip=FLIPS[match.flip[sample]],
            )
        )
    return pairs


def draw_pairs(
    pairs: list[ClosestPair], findings: GeneratorFindings, store: Store
) -> Image.Image:
    """Draws the samples, turned as they match, above the windows that they match."""
    size = findings.samples.shape[1]
    samples = findings.samples[[pair.seed for pair in pairs]]
    flips = np.array([FLIPS.index(pair.flip) for pair in pairs], np.uint8)
    windows = [_window(store, pair, size) for pair in pairs]
    rows = np.concatenate([flip_patches(samples, flips), windows])
    grey = np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8)
    zoom = -(-_MIN_SIDE // size)
    return image_sheet(grey.repeat(zoom, 1).repeat(zoom, 2)[..., None], len(pairs))


def _window(store: Store, pair: ClosestPair, size: int) -> NDArray[np.float32]:
    keys = [image.key for image in store.images]
    image = store.image(keys.index(pair.image)).astype(np.float32)
    factor = store.geometry.patch_size / size
    offset = (pair.row, pair.column)
    scaled = scale_image(image, factor, offset=offset)[:size, :size]
    return scaled / np.float32(2**store.bits - 1)
