"""The image metrics of one class."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.image_metrics.diversity import mean_pairwise_distance
from gastritis_gan.evaluation.image_metrics.ms_ssim import ms_ssim_diversity
from gastritis_gan.evaluation.image_metrics.real_floor import (
    REAL,
    Halving,
    Summary,
    feature_metrics,
    halve_patients,
    pixel_metrics,
)
from gastritis_gan.evaluation.patch_block import PatchBlock
from gastritis_gan.evaluation.patch_sample import (
    PatchSample,
    ReadFeatures,
    sample_features,
)

_MAX_IMAGES = 1_000  # of each half, for metrics of pixels, which take long
_NUM_PAIRS = 2_000


class ClassMetrics:
    """Real and generated patches of one class, compared in several ways.

    Args:
        real: Patches of training patients.
        patients: Shape `(n,)`: whose each of them is.
        generated: From the generator's name to its samples.
        most: How many patches of a set are used at most.
        seed: Of the halves.

    Raises:
        InputError: There are too few patients for a floor.
    """

    def __init__(
        self,
        real: PatchSample,
        patients: NDArray[Any],
        generated: Mapping[str, PatchSample],
        *,
        most: int,
        seed: int,
    ) -> None:
        self._patients = patients
        self._real = real
        self._halvings, self._count = halve_patients(
            patients, most=min(most, *map(len, generated.values())), seed=seed
        )
        self._generated = {
            name: sample.take(np.arange(self._count))
            for name, sample in generated.items()
        }

    def blocks(self) -> list[PatchBlock]:
        """Returns the blocks that hold the patches."""
        samples = [self._real, *self._generated.values()]
        return [block for sample in samples for block, _ in sample.used()]

    def describe(self) -> dict[str, int]:
        """Returns how many patches and patients are behind the numbers."""
        return {
            "num_patches_per_set": self._count,
            "num_images_for_pixel_metrics": min(self._count, _MAX_IMAGES),
            "num_real_patients": len(np.unique(self._patients)),
            "num_halvings": len(self._halvings),
        }

    def feature_metrics(self, read_features: ReadFeatures, *, seed: int) -> Summary:
        """Returns the metrics of features; see `real_floor.feature_metrics`."""
        return feature_metrics(
            sample_features([self._real], read_features),
            self._patients,
            {
                name: functools.partial(sample_features, [sample], read_features)
                for name, sample in self._generated.items()
            },
            self._halvings,
            seed=seed,
        )

    def pixel_metrics(self, *, seed: int) -> dict[str, Any]:
        """Returns SWD with its floor, and the diversity of every set."""
        count = min(self._count, _MAX_IMAGES)
        one, other = self._halvings[0].thinned(count).halves
        used = np.sort(np.concatenate([one, other]))  # few of all real patches
        halves = np.searchsorted(used, one), np.searchsorted(used, other)
        real = _images(self._real.take(used))
        sets = {
            name: functools.partial(_images, sample.take(np.arange(count)))
            for name, sample in self._generated.items()
        }
        return {
            "swd": pixel_metrics(
                real, self._patients[used], sets, [Halving(halves=halves)], seed=seed
            ),
            "diversity": {
                REAL: _diversity(real[halves[0]], seed=seed),
                **{name: _diversity(load(), seed=seed) for name, load in sets.items()},
            },
        }


def _diversity(images: NDArray[np.uint8], *, seed: int) -> dict[str, float]:
    return {
        "ms_ssim": ms_ssim_diversity(images, num_pairs=_NUM_PAIRS, seed=seed),
        "mean_pairwise_distance": mean_pairwise_distance(images),
    }


def _images(sample: PatchSample) -> NDArray[np.uint8]:
    """Returns the `(n, r, r)` patches of a sample in grey levels."""
    return np.concatenate(
        [
            np.rint((block.read()[inside, ..., 0] + 1) * 127.5).astype(np.uint8)
            for block, inside in sample.used()
        ]
    )
