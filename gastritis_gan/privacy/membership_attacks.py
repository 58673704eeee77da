"""Who was in the training? Every attack on one generator, patient by patient."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.privacy.audit_cohort import AuditCohort
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.audit_subject import AuditSubject
from gastritis_gan.privacy.latent_search import search_latents
from gastritis_gan.privacy.membership import (
    Membership,
    measure_control,
    measure_membership,
)
from gastritis_gan.store.patch_reader import read_patches
from gastritis_gan.store.store import Store

_WHITE_BOX_PATCHES = 16  # per patient
_PATCH_STREAM = 7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attack:
    """A membership attack: scores per patient, and what they give away.

    Attributes:
        name: Of the attack.
        decides: False for the upper bound of an attacker who has more than is released.
        scores: Shape `(patients,)`.
        found: Training against held-out patients.
        control: Held-out against held-out patients; None with too few.
    """

    name: str
    decides: bool
    scores: NDArray[np.float64]
    found: Membership
    control: Membership | None


def attack(
    store: Store,
    subject: AuditSubject,
    cohort: AuditCohort,
    black_box: Mapping[str, NDArray[np.float64]],
    settings: AuditSettings,
    folder: Path,
) -> list[Attack]:
    """Carries out the attacks that the subject allows.

    Args:
        store: The store.
        subject: The generator.
        cohort: The patients, each with a patch inside the organ.
        black_box: Scores `(patients,)` of the attacks on the samples alone, by name.
        settings: Effort and seed.
        folder: Keeps what the search for latents has found.
    """

    def measure(name: str, scores: NDArray[np.float64], *, decides: bool) -> Attack:
        held_out = scores[~cohort.is_training]
        return Attack(
            name=name,
            decides=decides,
            scores=scores,
            found=measure_membership(
                scores[cohort.is_training], held_out, seed=settings.seed
            ),
            control=measure_control(held_out, seed=settings.seed),
        )

    def draw_patches(number: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return _draw_patches(
            store, cohort, subject.resolution, number=number, seed=settings.seed
        )

    attacks = [measure(name, s, decides=True) for name, s in black_box.items()]
    if subject.open_gradient is not None:
        correlate, generate = subject.open_gradient()
        targets, owner = draw_patches(settings.latent_patches_per_patient)
        correlations = search_latents(
            correlate,
            generate,
            targets[..., 0],
            latent_dim=subject.latent_dim,
            num_steps=settings.latent_steps,
            seed=settings.seed,
            folder=folder / "latents",
        )
        name = "latents of the exported generator"
        attacks.append(measure(name, _means(correlations, owner), decides=True))
    if subject.discriminate is not None:
        targets, owner = draw_patches(_WHITE_BOX_PATCHES)
        realness = [
            np.ravel(subject.discriminate(targets[owner == patient]))
            for patient in range(len(cohort.patients))
        ]
        name = "discriminator (not released)"
        scores = _means(np.concatenate(realness), owner)
        attacks.append(measure(name, scores, decides=False))
    return attacks


def _draw_patches(
    store: Store, cohort: AuditCohort, resolution: int, *, number: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draws patches inside the organ: `(n, r, r, 1)` in [-1, 1], and their patients."""
    generator = np.random.Generator(np.random.Philox(key=[seed, _PATCH_STREAM]))
    chosen, owner = [], []
    for patient in range(len(cohort.patients)):
        pool = cohort.patches_of(store, patient)
        drawn = generator.choice(pool, min(number, len(pool)), replace=False)
        chosen.append(np.sort(drawn))
        owner += [patient] * len(drawn)
    patches = read_patches(store, np.concatenate(chosen), resolution)
    return patches, np.array(owner)


def _means(
    values: NDArray[np.floating], owner: NDArray[np.int64]
) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.bincount(owner, weights=values) / np.bincount(owner)
    return means
