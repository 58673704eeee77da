"""Feature extractors by the names that the experiment file uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.features.texture import Texture
from gastritis_gan.evaluation.features.weights import IMAGENET_WEIGHTS

PRETRAINED_NETWORKS = tuple(IMAGENET_WEIGHTS)
CONTROL = "mean_and_std"  # a table that does as well is about exposure


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
        from gastritis_gan.evaluation.features.pretrained import PretrainedNetwork

        return PretrainedNetwork(name, resolution=resolution, weights_file=weights_file)
    return Texture() if name == Texture.name else MeanAndStd()
