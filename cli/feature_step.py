"""Features of every patch that an evaluation needs, computed once and kept."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .patch_sources import close_generators

if TYPE_CHECKING:
    from gastritis_gan.evaluation.feature_cache import FeatureCache
    from gastritis_gan.evaluation.patch_block import PatchBlock


class FeatureStep:
    """Fills the feature cache of one extractor after the other.

    Only one network is in memory at a time, and none when samples are made or a
    classifier is trained.

    Args:
        names: The extractors.
        resolution: Size of the patches in pixels.
        weights: From pretrained network to weights file, where one was given.
        cache: Folder of the features.

    Raises:
        InputError: Weights cannot be had; every extractor is tried before any feature
            is computed.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        resolution: int,
        weights: Mapping[str, Path],
        cache: Path,
    ) -> None:
        self._resolution = resolution
        self._weights = weights
        self._cache = cache
        self.descriptions = {name: self._describe(name) for name in names}

    def fill(self, blocks: Iterable[PatchBlock]) -> dict[str, FeatureCache]:
        """Computes the features that the caches lack, and returns the caches by name.

        The samples come first, each made once for all extractors. The network with the
        most features is the largest; it comes next, for what a network leaves behind is
        not all given back to the system.
        """
        blocks = list({block.key: block for block in blocks}.values())
        self._make_samples([block for block in blocks if block.generated])
        dims = {name: found["dim"] for name, found in self.descriptions.items()}
        return {
            name: self._fill(name, blocks)
            for name in sorted(dims, key=lambda name: -dims[name])
        }

    def _make_samples(self, generated: Sequence[PatchBlock]) -> None:
        """Makes the samples whose features are missing.

        A generator and a network are never in memory together.
        """
        from gastritis_gan.evaluation.compute_features import missing_blocks
        from gastritis_gan.evaluation.feature_cache import FeatureCache
        from gastritis_gan.progress import progress_bar

        missing = {
            block.key: block
            for description in self.descriptions.values()
            for block in missing_blocks(
                generated, FeatureCache(self._cache, description)
            )
        }.values()
        if not missing:
            return
        total = sum(block.num_patches for block in missing)
        with progress_bar(total=total, description="samples", unit="images") as bar:
            for block in missing:
                block.read()
                bar.update(block.num_patches)
        close_generators()
        _give_memory_back()

    def _fill(self, name: str, blocks: Sequence[PatchBlock]) -> FeatureCache:
        from gastritis_gan.evaluation.compute_features import (
            compute_features,
            missing_blocks,
        )
        from gastritis_gan.evaluation.feature_cache import FeatureCache
        from gastritis_gan.progress import progress_bar

        cache = FeatureCache(self._cache, self.descriptions[name])
        missing = missing_blocks(blocks, cache)
        total = sum(block.num_patches for block in blocks)
        done = total - sum(block.num_patches for block in missing)
        with progress_bar(
            total=total, initial=done, description=f"{name}: features", unit="patches"
        ) as bar:
            if missing:
                compute_features(
                    self._make(name), missing, cache, report_patches=bar.update
                )
        _give_memory_back()  # before a classifier or another network needs it
        return cache

    def _describe(self, name: str) -> dict[str, Any]:
        description: dict[str, Any] = self._make(name).describe()
        _give_memory_back()
        return description

    def _make(self, name: str) -> Any:
        from gastritis_gan.evaluation.features.registry import make_extractor

        return make_extractor(
            name, resolution=self._resolution, weights_file=self._weights.get(name)
        )


def _give_memory_back() -> None:
    """Frees networks, which hold themselves, and returns their memory to the system.

    The C library keeps freed memory for itself, some hundred MB after a few networks;
    only glibc can be told not to.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
