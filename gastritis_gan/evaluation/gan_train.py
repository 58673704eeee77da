"""GAN-train (paper, section IV-A): train on samples, test on real patients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.features.feature_extractor import FeatureExtractor
from gastritis_gan.evaluation.labelled_image import LabelledImage
from gastritis_gan.evaluation.row_votes import RowVotes
from gastritis_gan.evaluation.training_set import Batches, TrainingSet

_MAX_ITERATIONS = 10_000
_SVM_SEEDS = 2**32  # scikit-learn takes no larger seed

ReportPatches = Callable[[int], Any]


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
    extractor: FeatureExtractor,
    training_sets: Sequence[TrainingSet],
    images: Sequence[LabelledImage],
    *,
    svm_c: float,
    seed: int,
    report_patches: ReportPatches = lambda num_patches: None,
) -> list[RowVotes]:
    """Trains one linear SVM per training set and lets it classify every test patch.

    Features are standardised by each training set's own mean and deviation. Only one
    batch of training patches, one training set's features and one test image are held
    at a time.

    Args:
        extractor: Computes the features; the test images' only once for all rows.
        training_sets: One per row.
        images: Test images, of both classes.
        svm_c: Penalty of the SVM's slack.
        seed: Of the SVM's optimizer.
        report_patches: Called with the number of patches just done.

    Returns:
        The votes of each row, in the order of `training_sets`.

    Raises:
        InputError: The test images are not of both classes.
    """
    check_both_classes(images)
    classifiers = []
    for training_set in training_sets:
        positive = _features(extractor, training_set.positive, report_patches)
        negative = _features(extractor, training_set.negative, report_patches)
        classifiers.append(_fit_svm(positive, negative, svm_c=svm_c, seed=seed))
    positive_votes = np.zeros((len(training_sets), len(images)), np.int64)
    for position, image in enumerate(images):
        features = extractor(image.read_patches())  # [patches, dim]
        for row, classifier in enumerate(classifiers):
            positive_votes[row, position] = np.sum(classifier.predict(features))
        report_patches(len(features))
    return [
        RowVotes(
            name=training_set.name,
            num_positive=training_set.num_positive,
            num_negative=training_set.num_negative,
            converged=bool(classifier[-1].n_iter_ < _MAX_ITERATIONS),
            positive_votes=votes,
        )
        for training_set, classifier, votes in zip(
            training_sets, classifiers, positive_votes, strict=True
        )
    ]


def _features(
    extractor: FeatureExtractor, batches: Batches, report_patches: ReportPatches
) -> NDArray[np.float32]:
    features = []
    for batch in batches():
        features.append(extractor(batch))
        report_patches(len(batch))
    return np.concatenate(features)


def _fit_svm(
    positive: NDArray[np.float32],
    negative: NDArray[np.float32],
    *,
    svm_c: float,
    seed: int,
) -> Pipeline:
    classifier = make_pipeline(
        StandardScaler(),
        LinearSVC(
            C=svm_c,
            dual="auto",
            max_iter=_MAX_ITERATIONS,
            random_state=seed % _SVM_SEEDS,
        ),
    )
    labels = np.repeat([True, False], [len(positive), len(negative)])
    with warnings.catch_warnings():
        # RowVotes.converged tells it instead.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(np.concatenate([positive, negative]), labels)
    return classifier
