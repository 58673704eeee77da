"""The audit of one generator: samples, matches, attacks, decisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.extractors import FeatureExtractor
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.copies import DISGUISES, PLAIN, plant_copies
from gastritis_gan.privacy.decision import (
    Decision,
    decide_membership,
    decide_memorisation,
)
from gastritis_gan.privacy.exposure import (
    SpaceFindings,
    examine_space,
    fisher_transform,
    stand_out,
    standardize_rows,
)
from gastritis_gan.privacy.feature_space import FeatureSpace
from gastritis_gan.privacy.matching import (
    PatchMatch,
    PixelMatcher,
    match_images,
)
from gastritis_gan.privacy.membership import (
    Attack,
    Linkage,
    attack,
    closest_samples_scores,
    measure_linkage,
    membership_patients_needed,
    nearest_sample_scores,
)
from gastritis_gan.privacy.subjects import (
    GROUPS,
    AuditCohort,
    AuditSubject,
    choose_cohort,
    draw_samples,
)
from gastritis_gan.privacy.windows import MIN_STD
from gastritis_gan.store.store import Store

_MIN_PATIENTS = 2  # per group, for any statistic
_PLAIN_COPIES = 5  # planted for every one of another kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorFindings:
    """Everything that the audit of one generator found.

    Attributes:
        subject: The generator.
        cohort: The patients.
        samples: float32 of shape (n, m, m) in [0, 1], as they were compared.
        num_flat: Samples without texture, which match nothing.
        matches: Per image of the cohort, the pixel matches of samples and then planted
            copies.
        spaces: Memorisation; empty with too few patients.
        attacks: Membership; empty with too few patients.
        linkage: Per group ("training", "held_out"); None without second images.
        decisions: One per test.
    """

    subject: AuditSubject
    cohort: AuditCohort
    samples: NDArray[np.float32]
    num_flat: int
    matches: list[PatchMatch]
    spaces: list[SpaceFindings]
    attacks: list[Attack]
    linkage: dict[str, Linkage | None]
    decisions: list[Decision]


def audit_generator(
    store: Store,
    subject: AuditSubject,
    extractors: Sequence[FeatureExtractor],
    settings: AuditSettings,
    *,
    alpha: float,
    folder: Path,
) -> GeneratorFindings:
    """Audits one generator.

    Args:
        store: Of the split that trained it.
        subject: The generator.
        extractors: Spaces beside pixels.
        settings: Effort, thresholds, seed.
        alpha: Probability of a false alarm of each test.
        folder: Keeps samples, matches, features and the search for latents, so that an
            interrupted audit resumes.
    """
    cohort = choose_cohort(store, subject.label, seed=settings.seed)
    groups = np.bincount(cohort.is_training, minlength=2)
    size = min(subject.resolution, settings.match_resolution)
    if groups.min() < _MIN_PATIENTS:
        return _undecided(subject, cohort, size, settings)
    samples = draw_samples(
        subject,
        number=settings.samples_per_generator,
        size=size,
        folder=folder / "samples",
    )
    planted = {
        disguise.kind: plant_copies(
            store,
            cohort,
            disguise,
            samples=samples,
            number=settings.planted_copies
            if disguise is PLAIN
            else settings.planted_copies // _PLAIN_COPIES,
            seed=settings.seed,
        )
        for disguise in DISGUISES
    }
    patches = np.concatenate(
        [samples, *(copies.patches for copies in planted.values())]
    )
    matcher = PixelMatcher(
        patches, patch_size=store.geometry.patch_size, min_std=MIN_STD
    )
    matches = match_images(
        matcher,
        store,
        cohort.images,
        folder / "pixels",
        description=f"audit, {subject.model.name}",
    )
    num_samples = len(samples)

    def examine(name: str, scores: NDArray[np.float64]) -> SpaceFindings:
        standing_out = stand_out(cohort.per_patient(scores))
        of_copies, first = {}, num_samples
        for kind, copies in planted.items():
            row = first + np.arange(len(copies.patient))
            of_copies[kind] = standing_out[row, copies.patient]
            first += len(row)
        return examine_space(
            name,
            standing_out[:num_samples],
            of_copies,
            cohort.is_training,
            alpha=alpha,
            min_power=settings.min_power,
            seed=settings.seed,
        )

    pixel_scores = fisher_transform(
        np.stack([match.score for match in matches], axis=1)
    )
    feature_spaces = [
        FeatureSpace(extractor, store, cohort, patches, folder / extractor.name)
        for extractor in extractors
    ]
    spaces = [
        examine("pixels", pixel_scores),
        *(examine(space.name, space.scores) for space in feature_spaces),
    ]
    calibrated = standardize_rows(cohort.per_patient(pixel_scores[:num_samples]))
    black_box = {"nearest samples, pixels": closest_samples_scores(calibrated)}
    for space in feature_spaces:
        black_box[f"nearest samples, {space.name}"] = nearest_sample_scores(
            space.windows_of_patients,
            np.concatenate(space.features[:, :num_samples]),
        )
    attacks = attack(store, subject, cohort, black_box, settings, folder)
    decisions = decide_memorisation(
        spaces,
        min_power=settings.min_power,
        max_copy_rate=settings.max_copy_rate,
    )
    decisions += [
        decide_membership(
            found.name,
            found.found,
            found.control,
            alpha=alpha,
            max_auc=settings.max_membership_auc,
            split_given=store.split_given,
        )
        for found in attacks
        if found.decides
    ]
    return GeneratorFindings(
        subject=subject,
        cohort=cohort,
        samples=samples,
        num_flat=int(matcher.is_flat[:num_samples].sum()),
        matches=matches,
        spaces=spaces,
        attacks=attacks,
        linkage=_link(cohort, pixel_scores[:num_samples], settings.seed),
        decisions=decisions,
    )


def num_deciding_tests(subjects: Sequence[AuditSubject], num_extractors: int) -> int:
    """Returns how many tests can fail, over which the false alarms are shared out."""
    spaces = 1 + num_extractors  # one for copies and one for membership in each
    return sum(2 * spaces + (s.open_gradient is not None) for s in subjects)


def _undecided(
    subject: AuditSubject, cohort: AuditCohort, size: int, settings: AuditSettings
) -> GeneratorFindings:
    training = int(cohort.is_training.sum())
    needed = membership_patients_needed(settings.max_membership_auc)
    reason = (
        f"There are {training} training and {len(cohort.patients) - training} held-out "
        f"patients of the class; about {needed} of each would be needed."
    )
    return GeneratorFindings(
        subject=subject,
        cohort=cohort,
        samples=np.empty((0, size, size), np.float32),
        num_flat=0,
        matches=[],
        spaces=[],
        attacks=[],
        linkage=dict.fromkeys(GROUPS),
        decisions=[Decision("number of patients", "undecided", reason)],
    )


def _link(
    cohort: AuditCohort, scores: NDArray[np.float64], seed: int
) -> dict[str, Linkage | None]:
    result = {}
    for name, is_training in GROUPS.items():
        columns = cohort.is_training[cohort.patient_of_image] == is_training
        result[name] = measure_linkage(
            scores[:, columns], cohort.patient_of_image[columns], seed=seed
        )
    return result
