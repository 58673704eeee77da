"""From votes to `results.json` (docs/results-format.md)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t

from gastritis_gan.evaluation.gan_train import RowVotes
from gastritis_gan.evaluation.metrics import (
    RULES,
    Decisions,
    decide,
    decide_patients,
    difference,
    mcnemar,
    mean_harmonic_mean,
    mean_interval,
    mean_over_runs,
    metrics,
    retention,
)
from gastritis_gan.evaluation.patch_samples import LabelledImage
from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.stats import auc

_UNITS = {"image": decide, "patient": decide_patients}


class Summarizer:
    """Turns the votes on the test images into JSON-able metrics.

    Args:
        images: The test images, in the order of the votes.
        voters: Whose votes decide the metrics of the table: "all" or "inside".
        seed: Of the bootstrap over patients.
    """

    def __init__(
        self, images: Sequence[LabelledImage], *, voters: str, seed: int
    ) -> None:
        self.voters = voters
        self.seed = seed
        self._labels = np.array([image.positive for image in images])
        self._patients = np.array([image.patient for image in images])

    def rows(
        self, rows: Sequence[RowVotes], *, real: Sequence[RowVotes] | None = None
    ) -> list[dict[str, Any]]:
        """Returns one entry per row and run.

        Args:
            rows: The rows.
            real: Where the row of real data is, which retention refers to; among `rows`
                by default.
        """
        runs = self._runs(rows if real is None else real)
        return [self._row(row, runs[REAL_DATA_ROW]) for row in rows]

    def means(self, rows: Sequence[RowVotes]) -> list[dict[str, Any]]:
        """Returns one entry per row with more than one run."""
        all_runs = self._runs(rows)
        return [
            {
                "name": name,
                "num_positive": int(runs[0].labels.sum()),
                "num_negative": int((~runs[0].labels).sum()),
                **mean_over_runs(runs, all_runs[REAL_DATA_ROW], seed=self.seed),
            }
            for name, runs in all_runs.items()
            if len(runs) > 1
        ]

    def differences(self, rows: Sequence[RowVotes]) -> list[dict[str, Any]]:
        """Returns one entry per pair of rows; McNemar's test is on their first runs."""
        first_runs = {_name(row): row for row in reversed(rows)}
        runs = self._runs(rows)
        return [
            {
                "first": first,
                "second": second,
                **difference(runs[first], runs[second], seed=self.seed),
                **mcnemar(
                    *(
                        self._decide(first_runs[name], unit="patient")
                        for name in (first, second)
                    )
                ),
            }
            for first, second in itertools.combinations(runs, 2)
        ]

    def permuted(self, rows: Sequence[RowVotes]) -> dict[str, Any]:
        """Returns the mean AUC of rows with permuted labels; chance is 0.5.

        The interval is that of a mean of independent permutations (Student's t), at
        99 %: at 95 % one sound evaluation in twenty would look unsound.
        """
        decisions = [self._decide(row, rule="mean_score") for row in rows]
        values = [float(auc(d.scores, d.labels)) for d in decisions]
        mean = float(np.mean(values))
        half = float(
            t.ppf(0.995, len(values) - 1)
            * np.std(values, ddof=1)
            / np.sqrt(len(values))
        )
        return {
            "num_permutations": len(values),
            "auc": mean,
            "auc_interval_99": (mean - half, mean + half),
            "is_at_chance": abs(mean - 0.5) <= half,
        }

    def few_patients(
        self,
        few: Sequence[RowVotes],
        rows: Sequence[RowVotes],
        numbers: Mapping[str, Mapping[str, int]],
    ) -> list[dict[str, Any]]:
        """Returns HM against the number of real training patients, ascending.

        Args:
            few: Rows of few patients, several draws of each number.
            rows: The table's; the row of real data is the whole.
            numbers: By row name, the number of patients of each class.
        """
        runs = self._runs([*few, *rows])
        return [
            {
                "name": name,
                "num_positive_patients": number["positive"],
                "num_negative_patients": number["negative"],
                "num_draws": len(runs[name]),
                "harmonic_mean": float(mean_harmonic_mean(runs[name])),
                "harmonic_mean_interval": mean_interval(runs[name], seed=self.seed),
                "harmonic_means": [
                    float(mean_harmonic_mean([run])) for run in runs[name]
                ],
            }
            for name, number in sorted(
                numbers.items(), key=lambda item: sum(item[1].values())
            )
        ]

    def worth_in_patients(
        self, few_patients: Sequence[Mapping[str, Any]], rows: Sequence[RowVotes]
    ) -> list[dict[str, Any]]:
        """Returns how many real patients each generated row is worth.

        Args:
            few_patients: What the method of that name returned.
            rows: The table's.
        """
        curve = [
            (
                entry["num_positive_patients"] + entry["num_negative_patients"],
                entry["harmonic_mean"],
            )
            for entry in few_patients
        ]
        return [
            {"name": name, **worth_in_patients(curve, float(mean_harmonic_mean(runs)))}
            for name, runs in self._runs(rows).items()
            if name != REAL_DATA_ROW
        ]

    def _row(self, row: RowVotes, real: Sequence[Decisions]) -> dict[str, Any]:
        training_set = row.training_set
        decisions = self._decide(row)
        votes = row.votes[self.voters]
        return {
            "name": training_set.name,
            "generator_seed": training_set.generator_seed,
            "sample_seed": training_set.sample_seed,
            "num_positive_patches": len(training_set.positive),
            "num_negative_patches": len(training_set.negative),
            "svm_converged": row.converged,
            **metrics(decisions, seed=self.seed),
            **retention([decisions], real, seed=self.seed),
            "variants": self._variants(row),
            "positive_votes": votes.positive.tolist(),
            "mean_scores": _rounded(votes.score_sum / np.maximum(votes.total, 1)),
        }

    def _variants(self, row: RowVotes) -> list[dict[str, Any]]:
        """Returns the metrics of every other way to decide that has both classes."""
        variants = []
        for voters, rule, unit in itertools.product(row.votes, RULES, _UNITS):
            if (voters, rule, unit) == (self.voters, RULES[0], "image"):
                continue
            decisions = self._decide(row, voters=voters, rule=rule, unit=unit)
            if 0 < decisions.labels.sum() < len(decisions.labels):
                found = metrics(decisions, seed=self.seed)
                way = {"voters": voters, "rule": rule, "unit": unit}
                variants.append({**way, **found})
        return variants

    def _runs(self, rows: Sequence[RowVotes]) -> dict[str, list[Decisions]]:
        runs: dict[str, list[Decisions]] = {}
        for row in rows:
            runs.setdefault(_name(row), []).append(self._decide(row))
        return runs

    def _decide(
        self,
        row: RowVotes,
        *,
        voters: str | None = None,
        rule: str = RULES[0],
        unit: str = "image",
    ) -> Decisions:
        votes = row.votes[voters or self.voters]
        return _UNITS[unit](votes, self._labels, self._patients, rule=rule)


def worth_in_patients(
    curve: Sequence[tuple[int, float]], harmonic_mean: float
) -> dict[str, int | None]:
    """Returns between which numbers of real patients a row's HM lies.

    Args:
        curve: Numbers of patients, ascending, and the HM they give.
        harmonic_mean: Of the row.

    Returns:
        "at_most": the first number that does better than the row, None where none does;
        "more_than": the number before it on the curve, 0 where it is the first.
    """
    more_than = 0
    for num_patients, value in curve:
        if value > harmonic_mean:
            return {"more_than": more_than, "at_most": num_patients}
        more_than = num_patients
    return {"more_than": more_than, "at_most": None}


def _name(row: RowVotes) -> str:
    return row.training_set.name


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]
