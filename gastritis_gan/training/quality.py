"""Quality of samples: their distance to real patches, beside two of real patches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gastritis_gan import rng
from gastritis_gan.evaluation.distances import kernel_distance
from gastritis_gan.evaluation.random_network import random_network_features
from gastritis_gan.store.store import Store

Patches = NDArray[np.uint8]

_MOST_PATCHES = 1_000  # of a set
_MOST_PIXELS = 1 << 24  # of a set: 256 patches of 256 x 256
_LEAST_PATCHES = 16  # fewer say nothing
_SEED = 0  # the same in every run, so that runs compare


@dataclasses.dataclass(frozen=True, kw_only=True)
class QualityPatches:
    """Real patches that samples of one class are compared with.

    Attributes:
        reference: Patches of the class, uint8 `(n, r, r, 1)`: of validation patients;
            without any, of one half of the training patients.
        floor: Of training patients; without validation patients, of their other half.
            None where there are no others.
        other_class: Training patches of the other class, or None.
        has_validation: Whether the reference is validation patients.
    """

    reference: Patches
    floor: Patches | None
    other_class: Patches | None
    has_validation: bool

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
        training = store.patch_set(target, "train")
        reference = store.patch_set(target, "validation")
        has_validation = len(reference) >= _LEAST_PATCHES
        if not has_validation:
            patients = np.array([image.patient for image in store.images])
            found = patients[store.patch_image[training]]
            generator = rng.stream(_SEED, "training.quality.half")
            names = generator.permutation(np.unique(found))
            is_first = np.isin(found, names[: (len(names) + 1) // 2])
            reference, training = training[is_first], training[~is_first]
        most = min(_MOST_PATCHES, max(_MOST_PIXELS // resolution**2, _LEAST_PATCHES))
        other = "negative" if target == "positive" else "positive"

        def some(pool: np.ndarray, purpose: str) -> Patches | None:
            if len(pool) < _LEAST_PATCHES:
                return None
            generator = rng.stream(_SEED, f"training.quality.{purpose}")
            chosen = generator.choice(pool, min(most, len(pool)), replace=False)
            return store.read(np.sort(chosen), resolution)

        patches = some(reference, "reference")
        if patches is None:
            return None
        return cls(
            reference=patches,
            floor=some(training, "floor"),
            other_class=some(store.patch_set(other, "train"), "other_class"),
            has_validation=has_validation,
        )

    def measure(
        self, samples: Patches, fade: Callable[[Patches], Patches]
    ) -> dict[str, float]:
        """Returns distances to the reference; lower is better.

        Args:
            samples: Shape `(m, r, r, 1)`, of the moving average.
            fade: What a transition does to real patches before they are compared.

        Returns:
            `quality`: of the samples; `quality_floor`: of patches of other patients of
            the class, which no generator can be expected to pass;
            `quality_other_class`: of real patches of the other class, which a generator
            of this class has to pass. The last two only where there are patches.
        """
        sets = {
            "quality": samples,
            "quality_floor": self.floor,
            "quality_other_class": self.other_class,
        }
        reference = random_network_features(fade(self.reference))
        mean, scale = reference.mean(axis=0), reference.std(axis=0) + 1e-3

        def distance(images: Patches) -> float:
            features = (random_network_features(images) - mean) / scale
            return kernel_distance(features, (reference - mean) / scale, seed=_SEED)

        return {
            name: distance(images if name == "quality" else fade(images))
            for name, images in sets.items()
            if images is not None
        }
