"""GAN-test: a classifier of real patches judges generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gastritis_gan.evaluation.gan_train import train
from gastritis_gan.evaluation.patch_sample import PatchSample, ReadFeatures
from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.evaluation.svm_settings import SvmSettings
from gastritis_gan.evaluation.training_set import TrainingSet
from gastritis_gan.stats import harmonic_mean, wilson_interval


def gan_test(
    rows: Sequence[TrainingSet], read_features: ReadFeatures, settings: SvmSettings
) -> list[dict[str, Any]]:
    """Returns how many generated patches look like their class to real data's SVM.

    High values say that samples are recognisable, not that they are diverse: a
    generator of one good image per class reaches 1.

    Args:
        rows: Of the table; the first of real data trains the SVM, the others are
            tested.
        read_features: Function from a block to its features.
        settings: Of the SVM.

    Reference: [Shmelkov et al., 2018](https://arxiv.org/abs/1807.09499), section 3.
    """
    real = next(row for row in rows if row.name == REAL_DATA_ROW)
    generated = [row for row in rows if row.name != REAL_DATA_ROW]
    if not generated:
        return []
    classifier = train(real, read_features, settings)

    def count_positive(samples: Sequence[PatchSample]) -> int:
        return sum(
            int(np.sum(classifier.scores(read_features(block)[inside]) > 0))
            for sample in samples
            for block, inside in sample.used()
        )

    results = []
    for row in generated:
        true_positives = count_positive(row.positive)
        true_negatives = row.num_negative - count_positive(row.negative)
        sensitivity = true_positives / row.num_positive
        specificity = true_negatives / row.num_negative
        results.append(
            {
                "name": row.name,
                "generator_seed": row.generator_seed,
                "sample_seed": row.sample_seed,
                "num_positive_patches": row.num_positive,
                "num_negative_patches": row.num_negative,
                "sensitivity": sensitivity,
                "sensitivity_interval": wilson_interval(
                    true_positives, row.num_positive
                ),
                "specificity": specificity,
                "specificity_interval": wilson_interval(
                    true_negatives, row.num_negative
                ),
                "harmonic_mean": float(harmonic_mean(sensitivity, specificity)),
            }
        )
    return results
