"""The image metrics of one class, beside what real patches reach among themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.distances import (
    NUM_NEIGHBOURS,
    frechet_distance,
    kernel_distance,
    precision_recall_density_coverage,
)
from gastritis_gan.evaluation.patch_samples import (
    PatchBlock,
    PatchSample,
    ReadFeatures,
    blocks_of,
    sample_features,
)
from gastritis_gan.evaluation.pixel_metrics import (
    mean_pairwise_distance,
    ms_ssim_diversity,
    sliced_wasserstein_distance,
)
from gastritis_gan.evaluation.rows import choose
from gastritis_gan.images import float_to_uint8
from gastritis_gan.stats import first_seen

REAL = "Real data, other patients"
_MAX_IMAGES = 1_000  # of each half, for metrics of pixels, which take long
_NUM_PAIRS = 2_000
_NUM_HALVINGS = 3
_MIN_PATIENTS = 4  # two in each half, so that every patch has strangers beside it

Rows = NDArray[Any]
Load = Callable[[], Rows]
Measure = Callable[[Rows, Rows, Rows, Rows], dict[str, float]]
Summary = dict[str, dict[str, dict[str, float]]]
"""From set and metric to mean, lowest and highest value."""

Halving = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of equally many patches of either half of the patients."""


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
        return blocks_of([self._real, *self._generated.values()])

    def describe(self) -> dict[str, int]:
        """Returns how many patches and patients are behind the metrics."""
        return {
            "num_patches_per_set": self._count,
            "num_images_for_pixel_metrics": min(self._count, _MAX_IMAGES),
            "num_real_patients": len(np.unique(self._patients)),
            "num_halvings": len(self._halvings),
        }

    def feature_metrics(self, read_features: ReadFeatures, *, seed: int) -> Summary:
        """Returns the metrics of features; see `feature_metrics`."""
        return feature_metrics(
            sample_features(self._real, read_features),
            self._patients,
            {
                name: functools.partial(sample_features, sample, read_features)
                for name, sample in self._generated.items()
            },
            self._halvings,
            seed=seed,
        )

    def pixel_metrics(self, *, seed: int) -> dict[str, Any]:
        """Returns SWD with its floor, and the diversity of every set."""
        count = min(self._count, _MAX_IMAGES)
        one, other = (
            half[np.arange(count) * len(half) // count]  # at even distances
            for half in self._halvings[0]
        )
        used = np.sort(np.concatenate([one, other]))  # few of all real patches
        halves = np.searchsorted(used, one), np.searchsorted(used, other)
        real = _images(self._real.take(used))
        sets = {
            name: functools.partial(_images, sample.take(np.arange(count)))
            for name, sample in self._generated.items()
        }
        return {
            "swd": pixel_metrics(real, self._patients[used], sets, [halves], seed=seed),
            "diversity": {
                REAL: _diversity(real[halves[0]], seed=seed),
                **{name: _diversity(load(), seed=seed) for name, load in sets.items()},
            },
        }


def halve_patients(
    patients: Rows, *, most: int, seed: int
) -> tuple[list[Halving], int]:
    """Splits the patients at random into halves, three times.

    Args:
        patients: Shape `(n,)`: whose each real patch is.
        most: How many patches of a half are used at most.
        seed: Of the draws.

    Returns:
        The halvings, and how many patches every half has: as many in each, for a
        distance depends on the number.

    Raises:
        InputError: There are fewer than four patients or too few patches.
    """
    names, _ = first_seen(patients)
    if len(names) < _MIN_PATIENTS:
        raise InputError(
            f"image metrics need {_MIN_PATIENTS} training patients of a class, for a "
            f"floor between halves of them, and this store has {len(names)}: prepare "
            "the cohort with more."
        )
    draw_half = functools.partial(
        choose, len(names), len(names) // 2, seed=seed, purpose="evaluation.half"
    )
    pairs = []
    for number in range(_NUM_HALVINGS):
        is_first = np.isin(patients, names[draw_half(index=number)])
        pairs.append((np.flatnonzero(is_first), np.flatnonzero(~is_first)))
    count = min(most, *(len(half) for pair in pairs for half in pair))
    if count <= NUM_NEIGHBOURS:
        raise InputError(
            f"image metrics need more than {NUM_NEIGHBOURS} patches of each half of "
            f"the training patients, and there are {count}: lower `patches.stride`."
        )
    draw = functools.partial(choose, seed=seed, purpose="evaluation.half_patches")
    halvings = [
        (
            one[draw(len(one), count, index=number)],
            other[draw(len(other), count, index=number)],
        )
        for number, (one, other) in enumerate(pairs)
    ]
    return halvings, count


def feature_metrics(
    real: Rows,
    patients: Rows,
    generated: Mapping[str, Load],
    halvings: list[Halving],
    *,
    seed: int,
) -> Summary:
    """Returns Fréchet and kernel distance, precision, recall, density and coverage.

    Each set of generated features is compared with either half of every halving; the
    floor compares the halves with each other. Only patches of different patients are
    ever neighbours.

    Args:
        real: Features of shape `(n, dim)`.
        patients: Shape `(n,)`: whose each real patch is.
        generated: From name to the function that returns features `(m, dim)`, m at
            least as many as a half has; only one set is in memory at a time.
        halvings: Of the real patches.
        seed: Of the kernel distance's subsets.
    """

    def measure(
        reference: Rows, other: Rows, owners: Rows, other_owners: Rows
    ) -> dict[str, float]:
        return {
            "frechet_distance": frechet_distance(reference, other),
            "kernel_distance": kernel_distance(reference, other, seed=seed),
            **precision_recall_density_coverage(
                reference, other, real_patients=owners, generated_patients=other_owners
            ),
        }

    return _against_halves(real, patients, generated, halvings, measure)


def pixel_metrics(
    real: NDArray[np.uint8],
    patients: Rows,
    generated: Mapping[str, Load],
    halvings: list[Halving],
    *,
    seed: int,
) -> Summary:
    """Returns the sliced Wasserstein distance of every pyramid level and their mean.

    Args:
        real: Images of shape `(n, size, size)`.
        patients: Shape `(n,)`: whose each real patch is.
        generated: From name to the function that returns images `(m, size, size)`.
        halvings: Of the real patches.
        seed: Of the neighbourhoods and directions.
    """

    def measure(
        reference: Rows, other: Rows, owners: Rows, other_owners: Rows
    ) -> dict[str, float]:
        levels = sliced_wasserstein_distance(reference, other, seed=seed)
        named = {f"swd_{size}": value for size, value in levels.items()}
        return {**named, "swd_mean": float(np.mean(list(levels.values())))}

    return _against_halves(real, patients, generated, halvings, measure)


def _against_halves(
    real: Rows,
    patients: Rows,
    generated: Mapping[str, Load],
    halvings: list[Halving],
    measure: Measure,
) -> Summary:
    pairs = [pair for halving in halvings for pair in (halving, halving[::-1])]
    found = {
        REAL: [
            measure(real[one], real[other], patients[one], patients[other])
            for one, other in pairs
        ]
    }
    for name, load in generated.items():
        rows = load()
        found[name] = [
            measure(real[one], rows[: len(one)], patients[one], np.arange(len(one)))
            for one, _ in pairs
        ]
    return {
        name: {
            metric: {
                "value": float(np.mean([value[metric] for value in values])),
                "lowest": min(value[metric] for value in values),
                "highest": max(value[metric] for value in values),
            }
            for metric in values[0]
        }
        for name, values in found.items()
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
            float_to_uint8(block.read()[inside, ..., 0])
            for block, inside in sample.used()
        ]
    )
