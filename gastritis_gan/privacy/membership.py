"""Membership: who was in the training, attack by attack and patient by patient.

And linkage: whether a sample leads to a patient by another image of the same patient.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from gastritis_gan.privacy.audit_settings import AuditSettings
from gastritis_gan.privacy.feature_space import closeness, nearest_distances
from gastritis_gan.privacy.latent_search import search_latents
from gastritis_gan.privacy.subjects import AuditCohort, AuditSubject
from gastritis_gan.rng import stream
from gastritis_gan.stats import (
    CONFIDENCE,
    auc,
    patient_bootstrap,
    patient_resamples,
    percentile_interval,
)
from gastritis_gan.store.store import Store, read_patches

FALSE_POSITIVE_RATES = (0.01, 0.1)
_CERTAIN_FPR = 0.01
_POWER = 0.8
_WHITE_BOX_PATCHES = 16  # per patient


@dataclasses.dataclass(frozen=True)
class Rate:
    """A rate or an AUC with its 95 % interval over patients."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Membership:
    """What an attacker learns about membership.

    Attributes:
        auc: Probability that a training patient scores higher than a held-out one.
        auc_bound: One-sided 95 % upper bound of the AUC: the higher one of the
            bootstrap's and of the normal one at chance, since few patients can score
            below chance by accident, and a bootstrap would believe them.
        p_value: Of the hypothesis that training patients score no higher
            (Mann-Whitney).
        tpr: Training patients recognised, per false positive rate in
            `FALSE_POSITIVE_RATES`.
        certain_fpr: The smallest false positive rate that the held-out patients
            resolve, but at least 1 %.
        certain: Training patients recognised at that rate: those of whom an attacker
            is certain, however little is known of all others.
        certain_p_value: Of the hypothesis that they are no more than chance gives
            (exact, `certain_p_value`).
    """

    auc: Rate
    auc_bound: float
    p_value: float
    tpr: tuple[Rate, ...]
    certain_fpr: float
    certain: Rate
    certain_p_value: float


def measure_membership(
    training: NDArray[np.float64], held_out: NDArray[np.float64], *, seed: int
) -> Membership:
    """Measures an attack, with a percentile bootstrap over the patients of each group.

    Args:
        training: One score per training patient, higher for "member".
        held_out: One score per held-out patient.
        seed: Of the resamples.
    """
    scores = np.concatenate([training, held_out])
    is_training = np.arange(len(scores)) < len(training)
    resamples = patient_resamples(is_training, np.arange(len(scores)), seed=seed)
    aucs = auc(scores, is_training, resamples)
    area = float(auc(scores, is_training))
    sizes = len(training), len(held_out)
    error = math.sqrt((sum(sizes) + 1) / (12 * math.prod(sizes)))  # at chance
    normal_bound = max(area, 0.5) + scipy.stats.norm.ppf(CONFIDENCE) * error
    test = scipy.stats.mannwhitneyu(training, held_out, alternative="greater")
    rates = []
    certain_fpr = max(_CERTAIN_FPR, 1 / len(held_out))
    for rate in (*FALSE_POSITIVE_RATES, certain_fpr):
        values = true_positive_rates(scores, is_training, rate, resamples)
        (value,) = true_positive_rates(
            scores, is_training, rate, np.ones((1, len(scores)), np.int64)
        )
        rates.append(Rate(float(value), *percentile_interval(values)))
    return Membership(
        auc=Rate(area, *percentile_interval(aucs)),
        auc_bound=max(float(np.quantile(aucs, CONFIDENCE)), float(normal_bound)),
        p_value=float(test.pvalue),
        tpr=tuple(rates[:-1]),
        certain_fpr=certain_fpr,
        certain=rates[-1],
        certain_p_value=certain_p_value(
            round(rates[-1].value * len(training)),
            len(training),
            len(held_out),
            allowed=_num_allowed(certain_fpr, len(held_out)),
        ),
    )


def certain_p_value(
    recognised: int, num_training: int, num_held_out: int, *, allowed: int
) -> float:
    """Returns how probable it is to recognise so many training patients by chance.

    All orders of the patients are equally likely by chance. At least so many training
    patients lie above all but `allowed` held-out ones when no more than `allowed` of
    the first `recognised + allowed` patients are held out: a hypergeometric tail.

    Args:
        recognised: Training patients above the threshold.
        num_training: Of all.
        num_held_out: Of all.
        allowed: Held-out patients above the threshold.
    """
    first = scipy.stats.hypergeom(
        num_training + num_held_out, num_held_out, recognised + allowed
    )
    return float(first.cdf(allowed))


def _num_allowed(false_positive_rate: float, num_held_out: int) -> int:
    return math.floor(false_positive_rate * num_held_out + 1e-9)


def measure_control(held_out: NDArray[np.float64], *, seed: int) -> Membership | None:
    """Plays one random half of the held-out patients against the other.

    Nobody was in the training, so the AUC must be at chance. None below four patients.
    """
    if len(held_out) < 4:
        return None
    order = stream(seed, "privacy.control").permutation(len(held_out))
    half = len(held_out) // 2
    return measure_membership(held_out[order[:half]], held_out[order[half:]], seed=seed)


def true_positive_rates(
    scores: NDArray[np.float64],
    is_training: NDArray[np.bool_],
    false_positive_rate: float,
    weights: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Returns the training patients above the threshold that a false rate allows.

    At most that share of held-out patients lies above the threshold; with fewer than
    1 / rate patients, none.

    Args:
        scores: Shape `(patients,)`, higher for "member".
        is_training: Shape `(patients,)`.
        false_positive_rate: Below 1.
        weights: Shape `(resamples, patients)`: how often each patient counts.

    Returns:
        Shape `(resamples,)`.
    """
    training, held_out = scores[is_training], scores[~is_training]
    order = np.argsort(-held_out)
    num_above = np.cumsum(weights[:, ~is_training][:, order], axis=1)
    allowed = _num_allowed(false_positive_rate, len(held_out))
    threshold = held_out[order][(num_above > allowed).argmax(axis=1)]
    counts = weights[:, is_training]
    recognised = (counts * (training > threshold[:, None])).sum(axis=1)
    return np.asarray(recognised / counts.sum(axis=1))


def membership_patients_needed(max_auc: float, auc: float = 0.5) -> int:
    """Returns how many patients of each group can show that the AUC is below a limit.

    The AUC varies by about sqrt(1 / 6n), so with that many the one-sided 95 % bound
    stays below the limit with a power of 0.8.

    Args:
        max_auc: The limit.
        auc: The attack's true AUC, below the limit; chance by default.
    """
    quantiles = scipy.stats.norm.ppf(CONFIDENCE) + scipy.stats.norm.ppf(_POWER)
    return math.ceil(float(quantiles / (max_auc - auc)) ** 2 / 6)


def nearest_sample_scores(
    patches: Sequence[NDArray[np.floating]], samples: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Scores every patient by the distances of the patches' nearest samples.

    A plain patch lies near everything, so each distance is calibrated: minus the
    logarithm of the distance to the nearest sample, plus that of the distance to the
    nearest patch of any other patient, of both groups alike.

    Args:
        patches: Standardised features of each patient's patches, `(m, features)`; at
            least one patch each, and at least two patients.
        samples: Standardised features of the samples, `(n, features)`.

    Returns:
        Shape `(patients,)`: the mean over the patient's patches, higher for "member".

    Reference: L. Watson et al., On the importance of difficulty calibration in
        membership inference attacks, ICLR 2022.
    """
    scores = []
    for patient, own in enumerate(patches):
        others = np.concatenate([p for i, p in enumerate(patches) if i != patient])
        to_sample = closeness(nearest_distances(own, samples))
        to_other = closeness(nearest_distances(own, others))
        scores.append((to_sample - to_other).mean())
    return np.array(scores)


def closest_samples_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores every patient by the mean of the closest 1 % of the samples.

    Args:
        scores: From `standardize_rows`, of shape `(samples, patients)`.
    """
    number = max(1, len(scores) // 100)
    return np.asarray(np.sort(scores, axis=0)[-number:].mean(axis=0))


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


def carry_out_attacks(
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
    generator = stream(seed, "privacy.patches")
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
