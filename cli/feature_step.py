"""Features of every patch that an evaluation needs, computed once and kept."""

from __future__ import annotations

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

    def prepare(self, blocks: Iterable[PatchBlock]) -> None:
        """Makes the samples whose features are missing, each once for all extractors.

        A generator and a network are never in memory together.
        """
        from gastritis_gan.evaluation.compute_features import missing_blocks
        from gastritis_gan.evaluation.feature_cache import FeatureCache
        from gastritis_gan.progress import progress_bar

        generated = [block for block in blocks if block.generated]
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
        gc.collect()

    def fill(self, name: str, blocks: Iterable[PatchBlock]) -> FeatureCache:
        """Computes the features that the cache lacks, and returns the cache."""
        from gastritis_gan.evaluation.compute_features import (
            compute_features,
            missing_blocks,
        )
        from gastritis_gan.evaluation.feature_cache import FeatureCache
        from gastritis_gan.progress import progress_bar

        cache = FeatureCache(self._cache, self.descriptions[name])
        blocks = {block.key: block for block in blocks}.values()
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
        gc.collect()  # the network, before a classifier needs its memory
        return cache

    def _describe(self, name: str) -> dict[str, Any]:
        description: dict[str, Any] = self._make(name).describe()
        gc.collect()  # a network holds itself
        return description

    def _make(self, name: str) -> Any:
        from gastritis_gan.evaluation.features.registry import make_extractor

        return make_extractor(
            name, resolution=self._resolution, weights_file=self._weights.get(name)
        )
