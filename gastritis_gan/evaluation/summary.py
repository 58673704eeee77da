"""From votes to the figures of a table's row, JSON-able."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gastritis_gan.evaluation.labelled_image import LabelledImage
from gastritis_gan.evaluation.metrics import Confusion, majority_vote
from gastritis_gan.evaluation.row_votes import RowVotes
from gastritis_gan.evaluation.statistics import harmonic_mean_interval, wilson_interval


def summarize_row(
    row: RowVotes, images: Sequence[LabelledImage], *, seed: int
) -> dict[str, Any]:
    """Returns a row's figures, each with its 95 % interval, and the votes behind them.

    Args:
        row: The votes of the images.
        images: The test images, in the order of the votes.
        seed: Of the bootstrap over patients.
    """
    labels = np.array([image.positive for image in images])
    num_patches = np.array([image.num_patches for image in images])
    predictions, ties = majority_vote(row.positive_votes, num_patches)
    confusion = Confusion.of(labels, predictions)
    patients = np.array([image.patient for image in images])
    return {
        "name": row.name,
        "num_positive_patches": row.num_positive,
        "num_negative_patches": row.num_negative,
        "sensitivity": confusion.sensitivity,
        "sensitivity_interval": wilson_interval(
            confusion.true_positives, confusion.num_positive
        ),
        "specificity": confusion.specificity,
        "specificity_interval": wilson_interval(
            confusion.true_negatives, confusion.num_negative
        ),
        "harmonic_mean": confusion.harmonic_mean,
        "harmonic_mean_interval": harmonic_mean_interval(
            labels, predictions, patients, seed=seed
        ),
        "true_positives": confusion.true_positives,
        "false_negatives": confusion.false_negatives,
        "true_negatives": confusion.true_negatives,
        "false_positives": confusion.false_positives,
        "ties": int(ties.sum()),
        "svm_converged": row.converged,
        "positive_votes": row.positive_votes.tolist(),
    }
