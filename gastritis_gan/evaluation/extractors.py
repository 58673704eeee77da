"""Feature extractors by the names that the experiment file uses."""

from __future__ import annotations

import importlib.metadata
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.weights import IMAGENET_WEIGHTS
from gastritis_gan.images import float_to_uint8

PRETRAINED_NETWORKS = tuple(IMAGENET_WEIGHTS)
CONTROL = "mean_and_std"  # a table that does as well is about exposure

_LBP_POINTS_AND_RADIUS = ((8, 1), (16, 2))
_GLCM_LEVELS = 32
_GLCM_DISTANCES = (1, 2, 4)  # pixels
_GLCM_ANGLES = tuple(np.pi / 4 * step for step in range(4))
_GLCM_PROPERTIES = (
    "contrast",
    "dissimilarity",
    "homogeneity",
    "energy",
    "correlation",
)
_MIN_RESOLUTION = 8  # pixels: below, a patch has hardly a pair four pixels apart
_CHUNK = 64  # images


class FeatureExtractor(Protocol):
    """Turns grey-scale patches into feature vectors, each patch on its own."""

    @property
    def name(self) -> str:
        """The extractor's name in the experiment file."""

    @property
    def dim(self) -> int:
        """Number of features."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Computes features.

        Args:
            images: Shape `(n, r, r, 1)`, in [-1, 1].

        Returns:
            Features of shape `(n, dim)`.
        """

    def describe(self) -> dict[str, Any]:
        """Returns what another person needs to compute the same features, JSON-able."""


class Texture:
    """Local binary patterns and grey-level co-occurrence.

    Uniform, rotation-invariant LBP histograms (8 points at radius 1, 16 at radius 2;
    only pixels whose whole circle lies in the patch), and contrast, dissimilarity,
    homogeneity, energy and correlation of the symmetric co-occurrence matrices of 32
    grey levels at 1, 2 and 4 pixels, each averaged over four directions.

    References: T. Ojala et al., IEEE TPAMI 24 (2002) 971-987; R. M. Haralick et al.,
        IEEE Trans. SMC 3 (1973) 610-621.
    """

    name = "texture"
    dim = sum(points + 2 for points, _ in _LBP_POINTS_AND_RADIUS) + (
        len(_GLCM_PROPERTIES) * len(_GLCM_DISTANCES)
    )

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns `(n, 43)` features of `(n, r, r, 1)` images in [-1, 1].

        Raises:
            InputError: The images are smaller than 8 x 8 pixels.
        """
        if images.shape[1] < _MIN_RESOLUTION:
            raise InputError(
                f"the extractor texture needs patches of at least {_MIN_RESOLUTION} "
                f"pixels, and these have {images.shape[1]}: train to a higher "
                "`schedule.final_resolution` or use another extractor."
            )
        grey = float_to_uint8(images[..., 0])
        chunks = [grey[start : start + _CHUNK] for start in range(0, len(grey), _CHUNK)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # scikit-image frees the GIL
            features = list(pool.map(_chunk_features, chunks))
        return np.concatenate(features or [np.empty((0, self.dim), np.float32)])

    def describe(self) -> dict[str, Any]:
        """Returns the name, the dimension and scikit-image's version."""
        return {
            "name": self.name,
            "dim": self.dim,
            "scikit_image": importlib.metadata.version("scikit-image"),
        }


class MeanAndStd:
    """Mean and standard deviation of a patch.

    A table in which these two features do as well as the others is about exposure, not
    about tissue.
    """

    name = CONTROL
    dim = 2

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns `(n, 2)` features of `(n, r, r, 1)` images in [-1, 1]."""
        pixels = images.reshape(len(images), -1)
        return np.stack([pixels.mean(axis=1), pixels.std(axis=1)], axis=1)

    def describe(self) -> dict[str, Any]:
        """Returns the extractor's name and dimension."""
        return {"name": self.name, "dim": self.dim}


def make_extractor(
    name: str, *, resolution: int, weights_file: Path | None = None
) -> FeatureExtractor:
    """Builds the extractor `name`; loads TensorFlow only for a pretrained network.

    Args:
        name: As in the experiment file's `evaluation.extractors`.
        resolution: Size of the patches in pixels.
        weights_file: For a pretrained network: its ImageNet weights; None downloads
            them.

    Raises:
        InputError: The weights cannot be had or are not this network's.
    """
    if name in PRETRAINED_NETWORKS:
        from gastritis_gan.evaluation.pretrained import PretrainedNetwork

        return PretrainedNetwork(name, resolution=resolution, weights_file=weights_file)
    return Texture() if name == Texture.name else MeanAndStd()


def make_untrained_extractor(name: str, *, resolution: int) -> FeatureExtractor:
    """Builds an extractor to see how long it takes: a network has random weights.

    Args:
        name: As of `make_extractor`.
        resolution: As of `make_extractor`.
    """
    if name not in PRETRAINED_NETWORKS:
        return make_extractor(name, resolution=resolution)

    from gastritis_gan.evaluation.pretrained import PretrainedNetwork

    return PretrainedNetwork(name, resolution=resolution, random_seed=0)


def _chunk_features(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Returns `(n, 43)` features of `(n, r, r)` images."""
    patterns = [_lbp_histograms(grey, *circle) for circle in _LBP_POINTS_AND_RADIUS]
    return np.concatenate([*patterns, _glcm_properties(grey)], axis=1, dtype=np.float32)


def _lbp_histograms(
    grey: NDArray[np.uint8], points: int, radius: int
) -> NDArray[np.float64]:
    """Returns `(n, points + 2)` histograms that sum to 1."""
    num_images, _, width = grey.shape
    # One tall image is one call; no circle around an inner pixel leaves its own patch.
    codes = local_binary_pattern(grey.reshape(-1, width), points, radius, "uniform")
    codes = codes.reshape(grey.shape)[:, radius:-radius, radius:-radius].astype(int)
    num_codes = points + 2
    first_bins = num_codes * np.arange(num_images)[:, None, None]
    counts = np.bincount(
        (codes + first_bins).ravel(), minlength=num_codes * num_images
    ).reshape(num_images, num_codes)
    return np.asarray(counts / codes[0].size)


def _glcm_properties(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns `(n, 15)`: five properties at each distance."""
    rows = []
    for image in grey // (256 // _GLCM_LEVELS):
        matrix = graycomatrix(
            image,
            _GLCM_DISTANCES,
            _GLCM_ANGLES,
            levels=_GLCM_LEVELS,
            symmetric=True,
            normed=True,
        )
        properties = [
            graycoprops(matrix, name).mean(axis=1) for name in _GLCM_PROPERTIES
        ]
        rows.append(np.stack(properties, axis=1).ravel())  # [distance * property]
    return np.stack(rows)
