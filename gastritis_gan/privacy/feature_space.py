"""Samples and real windows in the space of one feature extractor."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_argmin_min

from gastritis_gan.evaluation.extractors import FeatureExtractor
from gastritis_gan.images import average_windows
from gastritis_gan.privacy.subjects import AuditCohort
from gastritis_gan.privacy.windows import FLIPS, MIN_STD, flip_patches
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import kept_array, kept_rows
from gastritis_gan.store.store import Store

_FLIP_INVARIANT = ("texture",)  # no flip changes its features
_MEAN, _STD = 0.5, 0.15  # every patch gets them
_SAMPLES_PER_FILE = 256
_EPSILON = 1e-6  # the distance of a perfect copy has a logarithm


def nearest_distances(
    samples: NDArray[np.floating], patches: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Returns the Euclidean distance of each sample's nearest patch.

    Args:
        samples: Shape `(n, features)`.
        patches: Shape `(m, features)`, m at least 1.
    """
    _, nearest = pairwise_distances_argmin_min(
        samples.astype(np.float64), patches.astype(np.float64)
    )
    return np.asarray(nearest)


def closeness(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns minus the logarithm of distances, so that higher is more alike."""
    return -np.log(distances + _EPSILON)


def read_dense_windows(
    store: Store, image: int, resolution: int
) -> NDArray[np.float32]:
    """Reads the patches inside the organ, and between them.

    Args:
        store: The store.
        image: Position in its `images`.
        resolution: Side in pixels to which windows are averaged.

    Returns:
        Shape `(n, resolution, resolution)`, in [0, 1]: each patch and those half a
        stride below and to the right of it, as far as they lie in the image.
    """
    pixels = store.image(image)
    inside = store.patches_of_image(image, inside_only=True)
    size, half = store.geometry.patch_size, max(1, store.geometry.stride // 2)
    starts = np.stack([store.patch_row[inside], store.patch_column[inside]], axis=1)
    starts = np.concatenate(
        [starts + half * np.array(offset) for offset in np.ndindex(2, 2)]
    )
    starts = np.unique(starts, axis=0)
    starts = starts[(starts + size <= pixels.shape).all(axis=1)]
    windows = np.empty((len(starts), resolution, resolution), np.float32)
    return average_windows(
        (pixels[row : row + size, column : column + size] for row, column in starts),
        windows,
        low=0,
    )


class FeatureSpace:
    """Features of an audit's samples and of its patients' windows, on one scale.

    Real windows are those inside the organ on a grid twice as dense as the store's, so
    that none is further than a quarter of a stride away. Every sample counts with all
    four flips. Brightness and contrast are levelled before features are extracted. The
    scale is that of the real windows of both groups, so that it favours neither.

    Args:
        extractor: Makes the features.
        store: The store.
        cohort: The patients.
        samples: Patches of shape (n, r, r) in [0, 1] to compare.
        folder: Keeps the features, in a file per image and some for each flip.

    Attributes:
        name: Of the extractor.
        features: Of the samples, of shape (flips, n, features); one flip where the
            extractor cannot distinguish them.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        store: Store,
        cohort: AuditCohort,
        samples: NDArray[np.float32],
        folder: Path,
    ) -> None:
        self.name = extractor.name
        self._cohort = cohort

        def features_of(image: int) -> NDArray[np.float32]:
            return _extract(
                extractor, read_dense_windows(store, image, samples.shape[1])
            )

        windows = []
        bar = progress_bar(
            total=len(cohort.images), description=f"audit, {self.name}", unit="image"
        )
        with bar:
            for image in cohort.images:
                path = folder / f"{store.images[image].key}.npy"
                windows.append(kept_array(path, functools.partial(features_of, image)))
                bar.update()
        spread = np.concatenate(windows).std(axis=0)
        scale = np.where(spread > 0, spread, 1).astype(np.float32)
        self._windows = [w / scale for w in windows]
        num_flips = 1 if self.name in _FLIP_INVARIANT else len(FLIPS)
        self.features = np.stack(
            [
                _features_of_samples(extractor, samples, flip, folder) / scale
                for flip in range(num_flips)
            ]
        )

    @property
    def scores(self) -> NDArray[np.float64]:
        """Shape `(samples, images)`: minus the logarithm of the nearest distance."""
        flips, samples, _ = self.features.shape
        flat = self.features.reshape(flips * samples, -1)
        return np.stack(
            [
                closeness(nearest_distances(flat, w))
                .reshape(flips, samples)
                .max(axis=0)
                for w in self._windows
            ],
            axis=1,
        )

    @property
    def windows_of_patients(self) -> list[NDArray[np.floating]]:
        """Features of the windows of each of the cohort's patients."""
        owner = self._cohort.patient_of_image
        return [
            np.concatenate([self._windows[i] for i in np.flatnonzero(owner == patient)])
            for patient in range(len(self._cohort.patients))
        ]


def level(patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gives patches `(n, r, r)` one mean and, unless flat, one standard deviation.

    Args:
        patches: In [0, 1]. Flat ones keep their rounding errors small.
    """
    mean = patches.mean(axis=(1, 2), keepdims=True)
    std = np.maximum(patches.std(axis=(1, 2), keepdims=True), MIN_STD)
    levelled = _MEAN + _STD * (patches - mean) / std
    return np.asarray(np.clip(levelled, 0, 1), np.float32)


def _features_of_samples(
    extractor: FeatureExtractor, samples: NDArray[np.float32], flip: int, folder: Path
) -> NDArray[np.float32]:
    def compute(part: slice) -> NDArray[np.float32]:
        turns = np.full(len(samples[part]), flip, np.uint8)
        return _extract(extractor, flip_patches(samples[part], turns))

    return kept_rows(
        folder / f"samples-{FLIPS[flip]}",
        len(samples),
        compute,
        rows_per_file=_SAMPLES_PER_FILE,
        description=f"audit, {extractor.name} of samples",
    )


def _extract(
    extractor: FeatureExtractor, patches: NDArray[np.float32]
) -> NDArray[np.float32]:
    return extractor(level(patches)[..., None] * np.float32(2) - 1)
