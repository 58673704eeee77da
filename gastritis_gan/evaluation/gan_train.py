"""GAN-train (paper, section IV-A): train on samples, vote on real test patients."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.classifier import Classifier
from gastritis_gan.evaluation.patches import (
    LabelledImage,
    PatchSample,
    ReadFeatures,
    joined,
    sample_features,
)
from gastritis_gan.evaluation.rows import REAL_DATA_ROW, TrainingSet
from gastritis_gan.rng import stream
from gastritis_gan.stats import harmonic_mean, wilson_interval

RULES = ("majority", "mean_score")
_CLASSIFIERS_AT_ONCE = 64

Report = Callable[[int], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Votes:
    """The votes on n images (or patients).

    Attributes:
        positive: Shape `(n,)`: how many patches were classified as positive.
        total: Shape `(n,)`: how many patches voted.
        score_sum: Shape `(n,)`: sum of the classifier's scores of those patches.
    """

    positive: NDArray[np.int64]
    total: NDArray[np.int64]
    score_sum: NDArray[np.float64]

    @classmethod
    def zeros(cls, count: int) -> Votes:
        """Returns no votes on `count` images."""
        return cls(
            positive=np.zeros(count, np.int64),
            total=np.zeros(count, np.int64),
            score_sum=np.zeros(count),
        )

    def add(self, position: int, scores: NDArray[np.float64]) -> None:
        """Adds the votes of patches with these scores on the image at `position`."""
        self.positive[position] += int(np.sum(scores > 0))
        self.total[position] += len(scores)
        self.score_sum[position] += float(scores.sum())

    def pooled(self, group: NDArray[np.int64]) -> Votes:
        """Returns the votes on groups of images.

        Args:
            group: Shape `(n,)`: the number of each image's group, from 0.
        """
        pooled = Votes.zeros(int(group.max()) + 1)
        np.add.at(pooled.positive, group, self.positive)
        np.add.at(pooled.total, group, self.total)
        np.add.at(pooled.score_sum, group, self.score_sum)
        return pooled

    def of(self, chosen: NDArray[np.bool_]) -> Votes:
        """Returns the votes on the chosen images; `chosen` has the shape `(n,)`."""
        return Votes(
            positive=self.positive[chosen],
            total=self.total[chosen],
            score_sum=self.score_sum[chosen],
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decisions:
    """What a rule made of the votes on n images, or patients.

    Attributes:
        labels: Shape `(n,)`: whether each is positive in truth.
        patients: Shape `(n,)`: whose each is.
        predictions: Shape `(n,)`: whether each is decided to be positive.
        scores: Shape `(n,)`: what the decision cuts; higher means positive.
        ties: Shape `(n,)`: whether the votes were equal.
    """

    labels: NDArray[np.bool_]
    patients: NDArray[Any]
    predictions: NDArray[np.bool_]
    scores: NDArray[np.float64]
    ties: NDArray[np.bool_]

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Shape `(n,)`: whether each decision is right."""
        return np.asarray(self.labels == self.predictions)


def decide(
    votes: Votes, labels: NDArray[np.bool_], patients: NDArray[Any], *, rule: str
) -> Decisions:
    """Decides each image; one without a voting patch is left out.

    Args:
        votes: The votes on n images.
        labels: Shape `(n,)`; True is positive.
        patients: Shape `(n,)`: whose each image is.
        rule: "majority" of the patches (the paper's), or the sign of the "mean_score".
            The paper does not state what a tie means. Here a tie counts as positive: in
            screening, a missed patient costs more than a second look.
    """
    has_votes = votes.total > 0
    votes, labels, patients = (
        votes.of(has_votes),
        labels[has_votes],
        patients[has_votes],
    )
    ties = 2 * votes.positive == votes.total
    if rule == "majority":
        scores = votes.positive / votes.total
        predictions = 2 * votes.positive >= votes.total
    else:
        scores = votes.score_sum / votes.total
        predictions = scores > 0
    return Decisions(
        labels=labels,
        patients=patients,
        predictions=predictions,
        scores=scores,
        ties=ties,
    )


def decide_patients(
    votes: Votes, labels: NDArray[np.bool_], patients: NDArray[Any], *, rule: str
) -> Decisions:
    """Decides each patient by the votes of all the patient's patches.

    A patient with a positive image is positive. Arguments as for `decide`; the
    decisions follow the sorted patients.
    """
    names, group = np.unique(patients, return_inverse=True)
    is_positive = np.zeros(len(names), bool)
    is_positive[group[labels]] = True
    return decide(votes.pooled(group), is_positive, names, rule=rule)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowVotes:
    """One row of a table before anything is averaged.

    Attributes:
        training_set: What the classifier was trained on.
        converged: Whether its optimizer reached its tolerance.
        votes: The votes on the test images by who voted: "all" patches, those "inside"
            the organ.
    """

    training_set: TrainingSet
    converged: bool
    votes: dict[str, Votes]


def check_both_classes(images: Sequence[LabelledImage]) -> None:
    """Refuses test images without which Sen or Spe is undefined.

    Raises:
        InputError: No image is positive, or none is negative.
    """
    for positive, name in ((True, "positive"), (False, "negative")):
        if not any(image.positive == positive for image in images):
            raise InputError(
                f"no {name} test image has a voting patch, so there is nothing to test "
                "on: prepare the cohort with fewer training patients or a smaller "
                "patch, or set `evaluation.vote: all`."
            )


def compute_votes(
    training_sets: Sequence[TrainingSet],
    images: Sequence[LabelledImage],
    read_features: ReadFeatures,
    *,
    c: float,
    voters: Sequence[str],
    report: Report = lambda steps: None,
) -> list[RowVotes]:
    """Trains one SVM per training set and lets it classify the test patches.

    Held at a time: one training set's features, one test image's and a few sums per
    image.

    Args:
        training_sets: One per row.
        images: Test images, of both classes.
        read_features: Function from a block to its features.
        c: Penalty of the SVM's slack.
        voters: Whose votes are counted: "all" patches of an image, those "inside".
        report: Called with 1 for each classifier trained and each image classified by
            all of them; see `num_steps`.

    Returns:
        The votes of each row, in the order of `training_sets`.

    Raises:
        InputError: The test images are not of both classes.
    """
    check_both_classes(images)
    rows: list[RowVotes] = []
    for group in _batched(training_sets, _CLASSIFIERS_AT_ONCE):
        classifiers = []
        for training_set in group:
            classifiers.append(train(training_set, read_features, c=c))
            report(1)
        votes = _vote(classifiers, images, read_features, voters, report)
        rows += [
            RowVotes(
                training_set=training_set, converged=classifier.converged, votes=found
            )
            for training_set, classifier, found in zip(
                group, classifiers, votes, strict=True
            )
        ]
    return rows


def num_steps(num_sets: int, num_images: int) -> int:
    """Returns how many steps `compute_votes` reports."""
    groups = -(-num_sets // _CLASSIFIERS_AT_ONCE)
    return num_sets + groups * num_images


def train(
    training_set: TrainingSet, read_features: ReadFeatures, *, c: float
) -> Classifier:
    """Trains the SVM of one row; arguments as for `compute_votes`."""
    samples = (training_set.positive, training_set.negative)
    features = sample_features(joined(samples), read_features)
    sizes = (len(training_set.positive), len(training_set.negative))
    labels = np.repeat([True, False], sizes)
    if training_set.permutation_seed is not None:
        labels = _balanced_permutation(sizes, training_set.permutation_seed)
    return Classifier.fit(features, labels, c=c)


def gan_test(
    rows: Sequence[TrainingSet], read_features: ReadFeatures, *, c: float
) -> list[dict[str, Any]]:
    """Returns how many generated patches look like their class to real data's SVM.

    High values mean that samples are recognisable, not that they are diverse: a
    generator of one good image per class reaches 1.

    Args:
        rows: Of the table; the first of real data trains the SVM, the others are
            tested.
        read_features: Function from a block to its features.
        c: Penalty of the SVM's slack.

    Reference: [Shmelkov et al., 2018](https://arxiv.org/abs/1807.09499), section 3.
    """
    real = next(row for row in rows if row.name == REAL_DATA_ROW)
    generated = [row for row in rows if row.name != REAL_DATA_ROW]
    if not generated:
        return []
    classifier = train(real, read_features, c=c)

    def count_positive(sample: PatchSample) -> int:
        features = sample_features(sample, read_features)
        return int(np.sum(classifier.scores(features) > 0))

    results = []
    for row in generated:
        true_positives = count_positive(row.positive)
        num_positive, num_negative = len(row.positive), len(row.negative)
        true_negatives = num_negative - count_positive(row.negative)
        sensitivity = true_positives / num_positive
        specificity = true_negatives / num_negative
        results.append(
            {
                "name": row.name,
                "generator_seed": row.generator_seed,
                "sample_seed": row.sample_seed,
                "num_positive_patches": num_positive,
                "num_negative_patches": num_negative,
                "sensitivity": sensitivity,
                "sensitivity_interval": wilson_interval(true_positives, num_positive),
                "specificity": specificity,
                "specificity_interval": wilson_interval(true_negatives, num_negative),
                "harmonic_mean": float(harmonic_mean(sensitivity, specificity)),
            }
        )
    return results


def _balanced_permutation(sizes: tuple[int, int], seed: int) -> NDArray[np.bool_]:
    """Returns labels that half of each class carries: they do not distinguish them."""
    generator = stream(seed, "evaluation.permutation")
    return np.concatenate(
        [generator.permutation(np.arange(size) < size / 2) for size in sizes]
    )


def _vote(
    classifiers: Sequence[Classifier],
    images: Sequence[LabelledImage],
    read_features: ReadFeatures,
    voters: Sequence[str],
    report: Report,
) -> list[dict[str, Votes]]:
    votes = [{name: Votes.zeros(len(images)) for name in voters} for _ in classifiers]
    together = Classifier.joined(classifiers)
    for position, image in enumerate(images):
        features = sample_features(image.patches, read_features)
        columns = together.scores(features).T  # [classifiers, patches]
        for found, scores in zip(votes, columns, strict=True):
            for name, counted in found.items():
                counted.add(position, scores if name == "all" else scores[image.inside])
        report(1)
    return votes


def _batched(
    items: Sequence[TrainingSet], size: int
) -> Iterator[tuple[TrainingSet, ...]]:
    iterator = iter(items)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch
