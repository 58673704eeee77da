"""The figures of a set of decisions, each with its 95 % interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from gastritis_gan.evaluation.decisions import Decisions
from gastritis_gan.stats import (
    auc,
    harmonic_mean,
    patient_bootstrap,
    sensitivity_and_specificity,
    wilson_interval,
)


def figures(decisions: Decisions, *, seed: int) -> dict[str, Any]:
    """Returns Sen, Spe (Wilson), HM and AUC (bootstrap over patients), and the counts.

    Args:
        decisions: On images or patients of both classes.
        seed: Of the bootstrap.
    """
    labels, correct = decisions.labels, decisions.correct
    true_positives = int(np.sum(labels & correct))
    true_negatives = int(np.sum(~labels & correct))
    num_positive = int(labels.sum())
    num_negative = len(labels) - num_positive
    sensitivity, specificity = sensitivity_and_specificity(correct, labels)
    return {
        "num_positive": num_positive,
        "num_negative": num_negative,
        "num_patients": len(np.unique(decisions.patients)),
        "sensitivity": float(sensitivity),
        "sensitivity_interval": wilson_interval(true_positives, num_positive),
        "specificity": float(specificity),
        "specificity_interval": wilson_interval(true_negatives, num_negative),
        "harmonic_mean": float(harmonic_mean(sensitivity, specificity)),
        "harmonic_mean_interval": patient_bootstrap(
            lambda weights: harmonic_mean(
                *sensitivity_and_specificity(correct, labels, weights)
            ),
            labels,
            decisions.patients,
            seed=seed,
        ),
        "auc": float(auc(decisions.scores, labels)),
        "auc_interval": patient_bootstrap(
            lambda weights: auc(decisions.scores, labels, weights),
            labels,
            decisions.patients,
            seed=seed,
        ),
        "true_positives": true_positives,
        "false_negatives": num_positive - true_positives,
        "true_negatives": true_negatives,
        "false_positives": num_negative - true_negatives,
        "ties": int(decisions.ties.sum()),
    }
