"""Quality of samples: their distance to real patches, beside two of real patches."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gastritis_gan import rng
from gastritis_gan.evaluation.distances import gaussian_kernel_distance
from gastritis_gan.evaluation.wavelet_features import wavelet_features
from gastritis_gan.store.store import Store

Patches = NDArray[np.uint8]

_MOST_PATCHES = 1_000  # of a set
_MOST_PIXELS = 1 << 24  # of a set: 256 patches of 256 x 256
_LEAST_PATCHES = 16  # fewer say nothing
_RIDGE = 0.1  # of the patients' variances, in units of the patches'
_SEED = 0  # the same in every run, so that runs compare


@dataclasses.dataclass(frozen=True, kw_only=True)
class QualityPatches:
    """Real patches that samples of one class are compared with.

    Attributes:
        reference: Patches of the class, uint8 `(n, r, r, 1)`: of validation patients;
            without any, of one half of the training patients.
        training: Patches of all training patients, as they are compared.
        training_images: Shape `(m,)`: which image each of `training` is from.
        floor: Of training patients; without validation patients, of their other half.
            None where there are no others.
        other_class: Training patches of the other class, or None.
        has_validation: Whether the reference is validation patients.
    """

    reference: Patches
    training: Patches
    training_images: NDArray[np.int64]
    floor: Patches | None
    other_class: Patches | None
    has_validation: bool

    @property
    def num_samples(self) -> int:
        """How many samples to measure: they are new at every tick, so fewer."""
        return _most_patches(self.reference.shape[1]) // 2

    @classmethod
    def read(cls, store: Store, target: str, resolution: int) -> QualityPatches | None:
        """Reads the same patches whenever it is asked.

        Args:
            store: Where they come from.
            target: Patch set that the generator imitates.
            resolution: Side in pixels.

        Returns:
            The patches, at most 1,000 of a set and 256 at 256 pixels; None where the
            class has too few.
        """
        training = everyone = store.patch_set(target, "train")
        reference = store.patch_set(target, "validation")
        has_validation = len(reference) >= _LEAST_PATCHES
        if not has_validation:
            patients = np.array([image.patient for image in store.images])
            found = patients[store.patch_image[training]]
            generator = rng.stream(_SEED, "training.quality.half")
            names = generator.permutation(np.unique(found))
            is_first = np.isin(found, names[: (len(names) + 1) // 2])
            reference, training = training[is_first], training[~is_first]
        most = _most_patches(resolution)
        other = "negative" if target == "positive" else "positive"

        def choose(pool: np.ndarray, purpose: str) -> np.ndarray:
            generator = rng.stream(_SEED, f"training.quality.{purpose}")
            chosen = generator.choice(pool, min(most, len(pool)), replace=False)
            return np.sort(chosen)

        def some(pool: np.ndarray, purpose: str) -> Patches | None:
            if len(pool) < _LEAST_PATCHES:
                return None
            return store.read(choose(pool, purpose), resolution)

        patches = some(reference, "reference")
        if patches is None:
            return None
        chosen = choose(everyone, "training")
        return cls(
            reference=patches,
            training=store.read(chosen, resolution),
            training_images=store.patch_image[chosen],
            floor=some(training, "floor"),
            other_class=some(store.patch_set(other, "train"), "other_class"),
            has_validation=has_validation,
        )

    def measure(self, samples: Patches) -> dict[str, float]:
        """Returns distances to the reference; lower is better.

        Features are whitened by how much the means of training images vary, so that a
        difference which images of one class have anyway counts little.

        Args:
            samples: Shape `(m, r, r, 1)`, of the moving average.

        Returns:
            `quality`: of the samples; `quality_floor`: of patches of other patients of
            the class, which no generator can be expected to pass;
            `quality_other_class`: of real patches of the other class, which a generator
            of this class has to pass. The last two only where there are patches.
        """
        reals = self._reals
        features = reals.whiten(wavelet_features(samples))
        return {
            "quality": gaussian_kernel_distance(features, reals.reference),
            **reals.anchors,
        }

    @functools.cached_property
    def _reals(self) -> _Reals:
        whiten = _whitening(wavelet_features(self.training), self.training_images)
        reference = whiten(wavelet_features(self.reference))
        sets = {
            "quality_floor": self.floor,
            "quality_other_class": self.other_class,
        }
        anchors = {
            name: gaussian_kernel_distance(whiten(wavelet_features(patches)), reference)
            for name, patches in sets.items()
            if patches is not None
        }
        return _Reals(whiten, reference, anchors)


def _most_patches(resolution: int) -> int:
    return min(_MOST_PATCHES, max(_MOST_PIXELS // resolution**2, _LEAST_PATCHES))


class _Reals(NamedTuple):
    """What does not depend on samples."""

    whiten: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    reference: NDArray[np.float64]
    anchors: dict[str, float]


def _whitening(
    features: NDArray[np.float64], images: NDArray[np.int64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Returns the map that makes the variation between images at most 1."""
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    scaled = (features - mean) / scale
    means = [scaled[images == image].mean(axis=0) for image in np.unique(images)]
    if len(means) < 2:
        return lambda features: (features - mean) / scale
    variances, directions = np.linalg.eigh(np.cov(np.stack(means).T))
    weights = directions / np.sqrt(np.maximum(variances, 0) + _RIDGE) @ directions.T
    return lambda features: (features - mean) / scale @ weights
