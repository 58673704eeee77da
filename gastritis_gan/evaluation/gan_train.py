"""GAN-train (paper, section IV-A): train on samples, test on real patients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.labelled_image import LabelledImage
from gastritis_gan.evaluation.linear_classifier import LinearClassifier
from gastritis_gan.evaluation.patch_classifier import PatchClassifier, fit_classifier
from gastritis_gan.evaluation.patch_sample import ReadFeatures, sample_features
from gastritis_gan.evaluation.row_votes import RowVotes
from gastritis_gan.evaluation.svm_settings import SvmSettings
from gastritis_gan.evaluation.training_set import TrainingSet
from gastritis_gan.evaluation.votes import Votes

# A linear classifier is a vector, one with an RBF kernel holds its training patches.
_CLASSIFIERS_AT_ONCE = {"linear": 64, "rbf": 1}

Report = Callable[[int], Any]


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


def gan_train(
    training_sets: Sequence[TrainingSet],
    images: Sequence[LabelledImage],
    read_features: ReadFeatures,
    settings: SvmSettings,
    *,
    voters: Sequence[str],
    report: Report = lambda steps: None,
) -> list[RowVotes]:
    """Trains one SVM per training set and lets it classify the test patches.

    Held at a time: one training set's features, one block of the test patches' and a
    few sums per image.

    Args:
        training_sets: One per row.
        images: Test images, of both classes.
        read_features: Function from a block to its features.
        settings: Of the SVM.
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
    for group in _batched(training_sets, _CLASSIFIERS_AT_ONCE[settings.kernel]):
        classifiers = []
        for training_set in group:
            classifiers.append(train(training_set, read_features, settings))
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


def num_steps(num_sets: int, num_images: int, settings: SvmSettings) -> int:
    """Returns how many steps `gan_train` reports."""
    groups = -(-num_sets // _CLASSIFIERS_AT_ONCE[settings.kernel])
    return num_sets + groups * num_images


def train(
    training_set: TrainingSet, read_features: ReadFeatures, settings: SvmSettings
) -> PatchClassifier:
    """Trains the SVM of one row; arguments as for `gan_train`."""
    features = sample_features(
        [*training_set.positive, *training_set.negative], read_features
    )
    sizes = (training_set.num_positive, training_set.num_negative)
    labels = np.repeat([True, False], sizes)
    if training_set.permutation_seed is not None:
        labels = _balanced_permutation(sizes, training_set.permutation_seed)
    return fit_classifier(features, labels, settings)


def _balanced_permutation(sizes: tuple[int, int], seed: int) -> NDArray[np.bool_]:
    """Returns labels that half of each class carries, so that they tell nothing."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    return np.concatenate(
        [generator.permutation(np.arange(size) < size / 2) for size in sizes]
    )


def _vote(
    classifiers: Sequence[PatchClassifier],
    images: Sequence[LabelledImage],
    read_features: ReadFeatures,
    voters: Sequence[str],
    report: Report,
) -> list[dict[str, Votes]]:
    votes = [{name: Votes.zeros(len(images)) for name in voters} for _ in classifiers]
    judge = _joined(classifiers)
    for position, image in enumerate(images):
        start = 0
        for block in image.blocks:
            inside = image.inside[start : start + block.num_patches]
            start += block.num_patches
            columns = judge.scores(read_features(block)).T  # [classifiers, patches]
            for found, scores in zip(votes, columns, strict=True):
                for name, counted in found.items():
                    counted.add(position, scores if name == "all" else scores[inside])
        report(1)
    return votes


def _joined(classifiers: Sequence[PatchClassifier]) -> PatchClassifier:
    linear = [one for one in classifiers if isinstance(one, LinearClassifier)]
    return LinearClassifier.joined(linear) if linear else classifiers[0]


def _batched(
    items: Sequence[TrainingSet], size: int
) -> Iterator[tuple[TrainingSet, ...]]:
    iterator = iter(items)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch
