"""From votes to decisions and their metrics, and rows against each other."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.gan_train import Votes
from gastritis_gan.rng import stream
from gastritis_gan.stats import (
    auc,
    harmonic_mean,
    mcnemar_p_value,
    patient_bootstrap,
    patient_resamples,
    percentile_interval,
    rates,
    ratio,
    sensitivity_and_specificity,
)

RULES = ("majority", "mean_score")
Metric = Callable[..., Any]
"""Of a run's decisions, for each resample where weights `(resamples, n)` are given."""


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


def metrics(decisions: Decisions, *, seed: int) -> dict[str, Any]:
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
    interval = functools.partial(
        patient_bootstrap, labels=labels, patients=decisions.patients, seed=seed
    )
    return {
        "num_positive": num_positive,
        "num_negative": num_negative,
        "num_patients": len(np.unique(decisions.patients)),
        **rates(true_positives, num_positive, true_negatives, num_negative),
        "harmonic_mean_interval": interval(
            functools.partial(mean_harmonic_mean, [decisions])
        ),
        "auc": float(auc(decisions.scores, labels)),
        "auc_interval": interval(functools.partial(_mean_auc, [decisions])),
        "true_positives": true_positives,
        "false_negatives": num_positive - true_positives,
        "true_negatives": true_negatives,
        "false_positives": num_negative - true_negatives,
        "ties": int(decisions.ties.sum()),
    }


def difference(
    first: Sequence[Decisions], second: Sequence[Decisions], *, seed: int
) -> dict[str, Any]:
    """Returns HM and AUC of the first row minus those of the second, with intervals.

    Args:
        first: The decisions of a row on images, one for each of its runs.
        second: The same for another row, on the same images in the same order.
        seed: Of the bootstrap over patients.
    """
    labels, patients = first[0].labels, first[0].patients
    result: dict[str, Any] = {}
    for name, value in (("harmonic_mean", mean_harmonic_mean), ("auc", _mean_auc)):
        result[f"{name}_difference"] = float(value(first) - value(second))
        result[f"{name}_difference_interval"] = patient_bootstrap(
            lambda weights, value=value: value(first, weights) - value(second, weights),  # type: ignore[misc]
            labels,
            patients,
            seed=seed,
        )
    return result


def retention(
    row: Sequence[Decisions], real: Sequence[Decisions], *, seed: int
) -> dict[str, Any]:
    """Returns HM(row) / HM(real data) with its interval; None where the latter is 0.

    Arguments as for `difference`.
    """
    whole = mean_harmonic_mean(real)
    if whole == 0:
        return {"retention": None, "retention_interval": None}
    return {
        "retention": float(mean_harmonic_mean(row) / whole),
        "retention_interval": patient_bootstrap(
            lambda weights: ratio(
                mean_harmonic_mean(row, weights), mean_harmonic_mean(real, weights)
            ),
            row[0].labels,
            row[0].patients,
            seed=seed,
        ),
    }


def mean_over_runs(
    runs: Sequence[Decisions], real: Sequence[Decisions], *, seed: int
) -> dict[str, Any]:
    """Returns the means over a row's runs, and how much their HM differs.

    Args:
        runs: The decisions of two or more runs on the same images.
        real: Those of the row of real data, which retention refers to.
        seed: Of the bootstrap.
    """
    values = [float(mean_harmonic_mean([run])) for run in runs]
    means: dict[str, Any] = {}
    for key, metric in _METRICS.items():
        means[key] = float(np.mean([metric(run) for run in runs]))
        means[f"{key}_interval"] = percentile_interval(
            _resampled_means(runs, metric, seed=seed)
        )
    return {
        "num_runs": len(runs),
        **means,
        **_mean_retention(runs, real, seed=seed),
        "standard_deviation": float(np.std(values, ddof=1)),
        "lowest": min(values),
        "highest": max(values),
    }


def mean_interval(runs: Sequence[Decisions], *, seed: int) -> tuple[float, float]:
    """Returns the interval of the mean HM of runs, by resampling patients and runs.

    It shows what other patients and other trainings (or draws) could have given, as far
    as so few runs can show it; of a single run it is that of other patients.

    Args:
        runs: The decisions of the runs on the same images.
        seed: Of the bootstrap.
    """
    return percentile_interval(_resampled_means(runs, _harmonic_mean, seed=seed))


def _mean_retention(
    runs: Sequence[Decisions], real: Sequence[Decisions], *, seed: int
) -> dict[str, Any]:
    """Returns the retention of the mean HM of runs; its interval resamples them too."""
    whole = retention(runs, real, seed=seed)
    if whole["retention"] is None:
        return whole
    means = (_resampled_means(some, _harmonic_mean, seed=seed) for some in (runs, real))
    return {**whole, "retention_interval": percentile_interval(ratio(*means))}


def _resampled_means(
    runs: Sequence[Decisions], metric: Metric, *, seed: int
) -> NDArray[np.float64]:
    """Returns the mean of a metric over runs in each resample of patients and runs."""
    weights = patient_resamples(runs[0].labels, runs[0].patients, seed=seed)
    resampled = np.stack([metric(run, weights) for run in runs], axis=1)
    generator = stream(seed, "evaluation.runs")
    drawn = generator.multinomial(
        len(runs), np.full(len(runs), 1 / len(runs)), size=len(weights)
    )  # [resamples, runs]
    return np.asarray((resampled * drawn).sum(axis=1) / len(runs))


def mcnemar(first: Decisions, second: Decisions) -> dict[str, Any]:
    """Returns on how many patients only one of two rows is right, and the p value.

    Args:
        first: The decisions of a row on patients.
        second: The same for another row, on the same patients in the same order.
    """
    return {
        "only_first_right": int(np.sum(first.correct & ~second.correct)),
        "only_second_right": int(np.sum(second.correct & ~first.correct)),
        "num_patients": len(first.labels),
        "mcnemar_p": mcnemar_p_value(first.correct, second.correct),
    }


def mean_harmonic_mean(
    runs: Sequence[Decisions], weights: NDArray[Any] | None = None
) -> Any:
    """Returns the mean over runs of HM, for each resample where `weights` is given."""
    return np.mean(
        [
            harmonic_mean(
                *sensitivity_and_specificity(run.correct, run.labels, weights)
            )
            for run in runs
        ],
        axis=0,
    )


def _mean_auc(runs: Sequence[Decisions], weights: NDArray[Any] | None = None) -> Any:
    return np.mean([auc(run.scores, run.labels, weights) for run in runs], axis=0)


def _sensitivity(run: Decisions, weights: NDArray[Any] | None = None) -> Any:
    return sensitivity_and_specificity(run.correct, run.labels, weights)[0]


def _specificity(run: Decisions, weights: NDArray[Any] | None = None) -> Any:
    return sensitivity_and_specificity(run.correct, run.labels, weights)[1]


def _harmonic_mean(run: Decisions, weights: NDArray[Any] | None = None) -> Any:
    return mean_harmonic_mean([run], weights)


_METRICS: dict[str, Metric] = {
    "sensitivity": _sensitivity,
    "specificity": _specificity,
    "harmonic_mean": _harmonic_mean,
}
