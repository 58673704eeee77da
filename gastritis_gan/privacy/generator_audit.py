"""The audit of one generator: samples, matches, attacks, decisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.extractors import FeatureExtractor
from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.copies import (
    DISGUISES,
    PLAIN,
    Disguise,
    PlantedCopies,
    plant_copies,
)
from gastritis_gan.privacy.decision import (
    Decision,
    decide_close_matches,
    decide_membership,
    decide_memorisation,
)
from gastritis_gan.privacy.disguises import (
    NUM_SUB_WINDOWS,
    DisguisedMatch,
    DisguiseMatcher,
)
from gastritis_gan.privacy.exposure import (
    CloseMatches,
    SpaceFindings,
    compare_close_matches,
    examine_space,
    fisher_transform,
    stand_out,
    stand_out_in_a_part,
    stand_out_in_all_parts,
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
    carry_out_attacks,
    closest_samples_scores,
    measure_linkage,
    membership_patients_needed,
    nearest_sample_scores,
)
from gastritis_gan.privacy.subjects import (
    GROUPS,
    OTHER_CLASS,
    AuditCohort,
    AuditSubject,
    choose_cohort,
    draw_samples,
)
from gastritis_gan.privacy.windows import MIN_STD
from gastritis_gan.store.store import Store

_MIN_PATIENTS = 2  # per group, for any statistic
STAND_OUT: dict[str, Callable[[list[NDArray[np.float64]]], NDArray[np.float64]]] = {
    "pixels": stand_out_in_a_part,  # it has one
    "low-pass": stand_out_in_all_parts,
    "turned and scaled": stand_out_in_a_part,
    "sub-windows": stand_out_in_a_part,
}
"""How far patients stand out in the spaces that `pixel_tables` returns."""
_PLAIN_COPIES = 5  # planted for every one of another kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorFindings:
    """Everything that the audit of one generator found.

    Attributes:
        subject: The generator.
        cohort: The patients of its class.
        samples: float32 of shape (n, m, m) in [0, 1], as they were compared.
        num_flat: Samples without texture, which match nothing.
        matches: Per image of the cohort, the pixel matches of samples and then planted
            copies.
        spaces: Memorisation; empty with too few patients.
        other_cohort: The patients of the other class.
        other_spaces: Memorisation of them; empty with too few of them.
        close: Whether samples keep close to training patients; None with too few, or
            where the split was given.
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
    other_cohort: AuditCohort
    other_spaces: list[SpaceFindings]
    close: CloseMatches | None
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
        extractors: Spaces beside those of pixels.
        settings: Effort, thresholds, seed.
        alpha: Probability of a false alarm of each test.
        folder: Keeps samples, matches, features and the search for latents, so that an
            interrupted audit resumes.
    """
    cohort, others = (
        choose_cohort(store, label, seed=settings.seed)
        for label in (subject.label, OTHER_CLASS[subject.label])
    )
    size = min(subject.resolution, settings.match_resolution)
    if _smaller_group(cohort) < _MIN_PATIENTS:
        return _undecided(subject, cohort, others, size, settings)
    samples = draw_samples(
        subject,
        number=settings.samples_per_generator,
        size=size,
        folder=folder / "samples",
    )
    planted = _plant(store, cohort, DISGUISES, samples, settings)
    of_others = _plant(store, others, (PLAIN,), samples, settings)
    patches = np.concatenate(
        [samples, *(c.patches for c in (*planted.values(), *of_others.values()))]
    )
    size = store.geometry.patch_size
    matcher = PixelMatcher(patches, patch_size=size, min_std=MIN_STD)
    disguise_matcher = DisguiseMatcher(patches, patch_size=size, min_std=MIN_STD)
    found = match_images(
        matcher,
        disguise_matcher,
        store,
        np.concatenate([cohort.images, others.images]),
        folder / "pixels",
        description=f"audit, {subject.model.name}",
    )
    num_samples, num_own = len(samples), len(cohort.images)

    def examine(
        name: str,
        standing_out: NDArray[np.float64],
        of_class: AuditCohort,
        copies: Mapping[str, PlantedCopies],
        first: int,
    ) -> SpaceFindings:
        """Examines a space of which the rows from `first` on are the copies."""
        of_copies = {}
        for kind, those in copies.items():
            row = first + np.arange(len(those.patient))
            of_copies[kind] = standing_out[row, those.patient]
            first += len(row)
        return examine_space(
            name,
            standing_out[:num_samples],
            of_copies,
            of_class.is_training,
            alpha=alpha,
            min_power=settings.min_power,
            seed=settings.seed,
        )

    spaces, other_spaces = [], []
    first_other = len(patches) - sum(len(c.patient) for c in of_others.values())
    for name, parts in pixel_tables(found).items():
        both = STAND_OUT[name](
            [
                np.concatenate(
                    [
                        cohort.per_patient(scores[:, :num_own]),
                        others.per_patient(scores[:, num_own:]),
                    ],
                    axis=1,
                )
                for scores in parts
            ]
        )
        own, other = np.split(both, [len(cohort.patients)], axis=1)
        spaces.append(examine(name, own, cohort, planted, num_samples))
        if _smaller_group(others) >= _MIN_PATIENTS:
            other_spaces.append(examine(name, other, others, of_others, first_other))
    matches = [match for match, _ in found[:num_own]]
    pixel_scores = fisher_transform(
        np.stack([match.score for match in matches], axis=1)
    )
    calibrated = standardize_rows(cohort.per_patient(pixel_scores[:num_samples]))
    black_box = {"nearest samples, pixels": closest_samples_scores(calibrated)}
    for extractor in extractors:
        space = FeatureSpace(extractor, store, cohort, patches, folder / extractor.name)
        standing_out = stand_out(cohort.per_patient(space.scores))
        spaces.append(examine(space.name, standing_out, cohort, planted, num_samples))
        black_box[f"nearest samples, {space.name}"] = nearest_sample_scores(
            space.windows_of_patients,
            np.concatenate(space.features[:, :num_samples]),
        )
    attacks = carry_out_attacks(store, subject, cohort, black_box, settings, folder)
    decisions = [
        *decide_memorisation(
            spaces,
            min_power=settings.min_power,
            max_copy_rate=settings.max_copy_rate,
        ),
        *_decide_others(other_spaces, others, settings),
    ]
    close = None
    if not store.split_given:
        close = compare_close_matches(spaces, seed=settings.seed)
        decisions.append(decide_close_matches(close, alpha=alpha))
    decisions += [
        decide_membership(
            attack.name,
            attack.found,
            attack.control,
            alpha=alpha,
            max_auc=settings.max_membership_auc,
            split_given=store.split_given,
        )
        for attack in attacks
        if attack.decides
    ]
    return GeneratorFindings(
        subject=subject,
        cohort=cohort,
        samples=samples,
        num_flat=int(matcher.is_flat[:num_samples].sum()),
        matches=matches,
        spaces=spaces,
        other_cohort=others,
        other_spaces=other_spaces,
        close=close,
        attacks=attacks,
        linkage=_link(cohort, pixel_scores[:num_samples], settings.seed),
        decisions=decisions,
    )


def _smaller_group(cohort: AuditCohort) -> int:
    return int(np.bincount(cohort.is_training, minlength=2).min())


def _plant(
    store: Store,
    cohort: AuditCohort,
    disguises: Sequence[Disguise],
    samples: NDArray[np.float32],
    settings: AuditSettings,
) -> dict[str, PlantedCopies]:
    """Plants copies of every kind; none without patients of both groups."""
    if _smaller_group(cohort) < _MIN_PATIENTS:
        return {}
    return {
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
        for disguise in disguises
    }


def pixel_tables(
    found: Sequence[tuple[PatchMatch, DisguisedMatch]],
) -> dict[str, list[NDArray[np.float64]]]:
    """Returns the scores of every space of pixels, Fisher-transformed.

    Args:
        found: Of every image, from `match_images`.

    Returns:
        Per space `(patches, images)`, one for each part of a patch.
    """

    def table(columns: Iterable[NDArray[np.float32]]) -> NDArray[np.float64]:
        return fisher_transform(np.stack(list(columns), axis=1))

    return {
        "pixels": [table(match.score for match, _ in found)],
        "low-pass": [
            table(match.low_pass[part] for _, match in found)
            for part in range(NUM_SUB_WINDOWS + 1)
        ],
        "turned and scaled": [table(match.turned for _, match in found)],
        "sub-windows": [
            table(match.sub_windows[part] for _, match in found)
            for part in range(NUM_SUB_WINDOWS)
        ],
    }


def _decide_others(
    spaces: Sequence[SpaceFindings], others: AuditCohort, settings: AuditSettings
) -> list[Decision]:
    """Decides about copies of the other class's patients, if it has any in training."""
    test = "memorisation of the other class"
    if spaces:
        return decide_memorisation(
            spaces,
            min_power=settings.min_power,
            max_copy_rate=settings.max_copy_rate,
            test=test,
        )
    training, held_out = others.is_training.sum(), (~others.is_training).sum()
    if not training:
        return []
    reason = (
        f"There are {training} training and {held_out} held-out patients of the other "
        f"class; at least {_MIN_PATIENTS} of each are needed to compare them."
    )
    return [Decision(test, "undecided", reason)]


def num_deciding_tests(subjects: Sequence[AuditSubject], num_extractors: int) -> int:
    """Returns how many tests can fail, over which the false alarms are shared out."""
    memorisation = 2 * len(STAND_OUT) + num_extractors + 1  # both classes; close ones
    return sum(
        memorisation + 2 * (1 + num_extractors + (s.open_gradient is not None))
        for s in subjects
    )


def _undecided(
    subject: AuditSubject,
    cohort: AuditCohort,
    others: AuditCohort,
    size: int,
    settings: AuditSettings,
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
        other_cohort=others,
        other_spaces=[],
        close=None,
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
