"""GAN-train (paper, section IV-A): train on samples, vote on real test patients."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gastritis_gan.evaluation.patch_samples import (
    LabelledImage,
    PatchSample,
    ReadFeatures,
    joined,
    sample_features,
)
from gastritis_gan.evaluation.rows import REAL_DATA_ROW, TrainingSet
from gastritis_gan.progress import progress_bar
from gastritis_gan.rng import stream
from gastritis_gan.stats import rates

_TOLERANCE = 1e-5
_MAX_STEPS = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """One linear classifier, or several side by side.

    Attributes:
        weights: Shape `(dim, k)`, a column for each classifier.
        biases: Shape `(k,)`.
        converged: Whether the optimizers reached their tolerance.
    """

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]
    converged: bool

    @classmethod
    def fit(
        cls, features: NDArray[np.float32], labels: NDArray[np.bool_], *, c: float
    ) -> Classifier:
        """Trains one classifier: standardised features, squared hinge loss.

        Args:
            features: Shape `(n, dim)`; they are standardised in place.
            labels: Shape `(n,)`; True is positive. Both classes must occur.
            c: Penalty of the slack.
        """
        # The primal problem needs no random order and converges at any C.
        svm = LinearSVC(C=c, dual=False, tol=_TOLERANCE, max_iter=_MAX_STEPS)
        scaler = StandardScaler(copy=False)
        with warnings.catch_warnings():
            # `converged` is in the table.
            warnings.simplefilter("ignore", ConvergenceWarning)
            make_pipeline(scaler, svm).fit(features, labels)
        weights = svm.coef_[0] / scaler.scale_  # so that new features stay as they are
        return cls(
            weights=weights[:, None],
            biases=svm.intercept_ - weights @ scaler.mean_,
            converged=bool(svm.n_iter_ < _MAX_STEPS),
        )

    @classmethod
    def joined(cls, classifiers: Sequence[Classifier]) -> Classifier:
        """Returns one with a column for each of them: one product per patch."""
        return cls(
            weights=np.concatenate([one.weights for one in classifiers], axis=1),
            biases=np.concatenate([one.biases for one in classifiers]),
            converged=all(one.converged for one in classifiers),
        )

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the `(n, k)` scores of `(n, dim)` features that are not standardised.

        They are positive for the positive class, in units of the margin.
        """
        return features.astype(np.float64) @ self.weights + self.biases


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


def compute_votes(
    training_sets: Sequence[TrainingSet],
    images: Sequence[LabelledImage],
    read_features: ReadFeatures,
    *,
    c: float,
    voters: Sequence[str],
    description: str = "GAN-train",
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
        description: What the progress bar shows.

    Returns:
        The votes of each row, in the order of `training_sets`.
    """
    total = len(training_sets) + len(images)
    with progress_bar(total=total, description=description, unit="steps") as bar:
        classifiers = []
        for training_set in training_sets:
            classifiers.append(train(training_set, read_features, c=c))
            bar.update()
        together = Classifier.joined(classifiers)
        votes = [
            {name: Votes.zeros(len(images)) for name in voters} for _ in classifiers
        ]
        for position, image in enumerate(images):
            features = sample_features(image.patches, read_features)
            columns = together.scores(features).T  # [classifiers, patches]
            for found, scores in zip(votes, columns, strict=True):
                for name, counted in found.items():
                    counted.add(
                        position, scores if name == "all" else scores[image.inside]
                    )
            bar.update()
    return [
        RowVotes(training_set=training_set, converged=one.converged, votes=found)
        for training_set, one, found in zip(
            training_sets, classifiers, votes, strict=True
        )
    ]


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
        num_positive, num_negative = len(row.positive), len(row.negative)
        true_positives = count_positive(row.positive)
        true_negatives = num_negative - count_positive(row.negative)
        results.append(
            {
                "name": row.name,
                "generator_seed": row.generator_seed,
                "sample_seed": row.sample_seed,
                "num_positive_patches": num_positive,
                "num_negative_patches": num_negative,
                **rates(true_positives, num_positive, true_negatives, num_negative),
            }
        )
    return results


def _balanced_permutation(sizes: tuple[int, int], seed: int) -> NDArray[np.bool_]:
    """Returns labels that half of each class carries: they do not distinguish them."""
    generator = stream(seed, "evaluation.permutation")
    return np.concatenate(
        [generator.permutation(np.arange(size) < size / 2) for size in sizes]
    )
