"""Every classifier that one GAN-train evaluation trains, in order."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from .generators import Models
from .patch_sources import (
    blocks_of_samples,
    generator_pools,
    num_patients,
    patients_of,
    training_pools,
)

if TYPE_CHECKING:
    import numpy as np

    from gastritis_gan.evaluation.patch_block import PatchBlock
    from gastritis_gan.evaluation.settings import EvaluationConfig
    from gastritis_gan.evaluation.training_set import TrainingSet
    from gastritis_gan.store.store import Store


class GanTrainPlan:
    """The training sets of the table and of its controls.

    Attributes:
        rows: Of the table, each once per chain of generators and sample seed.
        permuted: Real patches with permuted labels; empty without controls.
        few_patients: Patches of few training patients, several draws of them.
        mixed: Few patients' patches filled up with generated ones.
        numbers: How many patients of each class the few are, by row name.
    """

    def __init__(
        self,
        models: Models,
        store: Store,
        resolution: int,
        settings: EvaluationConfig,
        *,
        cache: Path,
    ) -> None:
        self._store = store
        self._resolution = resolution
        self._settings = settings
        self._cache = cache
        self._pools = training_pools(store)
        self.rows: list[TrainingSet] = self._make_rows(models)
        self.permuted: list[TrainingSet] = []
        self.few_patients: list[TrainingSet] = []
        self.mixed: list[TrainingSet] = []
        self.numbers: dict[str, dict[str, int]] = {}
        if settings.controls:
            self._add_controls()

    def training_sets(self) -> list[TrainingSet]:
        """Returns all of them: rows, permuted, few_patients, mixed."""
        return [*self.rows, *self.permuted, *self.few_patients, *self.mixed]

    def blocks(self) -> list[PatchBlock]:
        """Returns the blocks that hold their patches."""
        return [
            block
            for training_set in self.training_sets()
            for block in blocks_of_samples(
                [*training_set.positive, *training_set.negative]
            )
        ]

    def _make_rows(self, models: Models) -> list[TrainingSet]:
        from gastritis_gan.evaluation.rows import generated_rows, real_row

        rows = []
        first = self._settings.seed
        for sample_seed in range(first, first + self._settings.num_sample_seeds):
            pools = generator_pools(
                models,
                samples_per_generator=self._settings.samples_per_generator,
                sample_seed=sample_seed,
                cache=self._cache,
            )
            rows += generated_rows(
                pools,
                patches_per_class=self._settings.patches_per_class,
                sample_seed=sample_seed,
            )
            rows.append(
                real_row(self._drawn(self._pools, sample_seed), sample_seed=sample_seed)
            )
        order = {row.name: number for number, row in enumerate(reversed(rows))}
        return sorted(rows, key=lambda row: -order[row.name])  # the runs of a row meet

    def _add_controls(self) -> None:
        from gastritis_gan.evaluation.controls import (
            NUM_PATIENT_DRAWS,
            mixed_row,
            numbers_of_patients,
            permuted_rows,
        )
        from gastritis_gan.evaluation.rows import REAL_DATA_ROW

        real = next(row for row in self.rows if row.name == REAL_DATA_ROW)
        self.permuted = permuted_rows(real)
        total = num_patients(self._store, self._pools)
        self.numbers[REAL_DATA_ROW] = total
        for few in numbers_of_patients(total):
            name = f"Real data, {few['positive']} + {few['negative']} patients"
            self.numbers[name] = few
            draws = [
                self._few_patients(name, few, draw) for draw in range(NUM_PATIENT_DRAWS)
            ]
            self.few_patients += draws
            self.mixed += [
                mixed_row(
                    draws[0], row, patches_per_class=self._settings.patches_per_class
                )
                for row in self.rows
                if row.name != REAL_DATA_ROW and row.sample_seed == self._settings.seed
            ]

    def _few_patients(
        self, name: str, numbers: dict[str, int], draw: int
    ) -> TrainingSet:
        from gastritis_gan.evaluation.controls import draw_patients
        from gastritis_gan.evaluation.rows import real_row

        seed = self._settings.seed
        pools = {}
        for target, pool in self._pools.items():
            patients = patients_of(self._store, pool)
            theirs = draw_patients(
                patients, numbers[target], seed=seed, target=target, draw=draw
            )
            pools[target] = pool[theirs]
        row = real_row(self._drawn(pools, seed), sample_seed=seed)
        return dataclasses.replace(row, name=name)

    def _drawn(
        self, pools: dict[str, np.ndarray], sample_seed: int
    ) -> dict[str, tuple[PatchBlock, ...]]:
        from gastritis_gan.evaluation.real_patches import real_blocks
        from gastritis_gan.evaluation.rows import draw_real_patches

        return {
            target: real_blocks(
                self._store,
                draw_real_patches(
                    pool,
                    self._settings.patches_per_class,
                    sample_seed=sample_seed,
                    target=target,
                ),
                self._resolution,
            )
            for target, pool in pools.items()
        }
