"""Features on disk, computed once: they need not fit into memory and outlive a kill."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import gc
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.evaluation.extractors import (
    FeatureExtractor,
    make_extractor,
)
from gastritis_gan.evaluation.patch_samples import PatchBlock
from gastritis_gan.progress import progress_bar
from gastritis_gan.storage import ArrayFolder, make_folder, write_json

_READERS = 2
_BLOCKS_AHEAD = 2  # read and waiting; bounds the memory


class FeatureCache:
    """Features of one extractor, a file for each block of patches.

    The extractor's folder is named after its whole description, the hash of its weights
    included, and a file after the content of its block: a stale entry is
    not found rather than used.

    Args:
        folder: Where the folders of the extractors are; made when needed.
        description: The extractor's `describe()`.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        text = json.dumps(description, sort_keys=True)
        identity = hashlib.sha256(text.encode()).hexdigest()
        self.folder = folder / f"{description['name']}-{identity[:16]}"
        self._arrays = ArrayFolder(self.folder)
        self._dim = int(description["dim"])
        make_folder(self.folder)
        write_json(self.folder / "extractor.json", description)

    def __contains__(self, block: PatchBlock) -> bool:
        return self._arrays.holds(block.key, self._shape(block), np.float32)

    def read(self, block: PatchBlock) -> NDArray[np.float32]:
        """Returns the `(num_patches, dim)` features of a block that is in the cache."""
        return self._arrays.read(block.key)

    def write(self, block: PatchBlock, features: NDArray[np.float32]) -> None:
        """Keeps the features of a block; shape `(num_patches, dim)`."""
        self._arrays.write(block.key, features.astype(np.float32, copy=False))

    def _shape(self, block: PatchBlock) -> tuple[int, int]:
        return block.num_patches, self._dim


class Features:
    """Features of every patch that an evaluation needs, of several extractors.

    Only one network is in memory at a time, and none when samples are made or a
    classifier is trained.

    Args:
        names: The extractors.
        resolution: Size of the patches in pixels.
        weights: From pretrained network to weights file, where one was given.
        cache: Folder of the features.

    Attributes:
        descriptions: What each extractor's `describe` returns, by name.

    Raises:
        InputError: Weights cannot be had; every extractor is tried before any feature
            is computed.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        resolution: int,
        weights: Mapping[str, Path] | None,
        cache: Path,
    ) -> None:
        self._resolution = resolution
        self._weights = weights or {}
        self._cache = cache
        self.descriptions: dict[str, dict[str, Any]] = {}
        for name in names:
            self.descriptions[name] = self._make(name).describe()
            _give_memory_back()

    def fill(self, blocks: Iterable[PatchBlock]) -> dict[str, FeatureCache]:
        """Computes the features that the caches lack, and returns the caches by name.

        The samples come first, each made once for all extractors. The network with the
        most features is the largest; it comes next, for what a network leaves behind is
        not all given back to the system.
        """
        blocks = list({block.key: block for block in blocks}.values())
        caches = {
            name: FeatureCache(self._cache, description)
            for name, description in self.descriptions.items()
        }
        _make_samples(blocks, caches.values())
        for name in sorted(caches, key=lambda name: -self.descriptions[name]["dim"]):
            self._fill(name, caches[name], blocks)
        return caches

    def _fill(
        self, name: str, cache: FeatureCache, blocks: Sequence[PatchBlock]
    ) -> None:
        missing = missing_blocks(blocks, cache)
        total = _num_patches(blocks)
        with progress_bar(
            total=total,
            initial=total - _num_patches(missing),
            description=f"{name}: features",
            unit="patches",
        ) as bar:
            if missing:
                compute_features(
                    self._make(name), missing, cache, report_patches=bar.update
                )
        _give_memory_back()  # before a classifier or another network needs it

    def _make(self, name: str) -> FeatureExtractor:
        weights_file = self._weights.get(name)
        return make_extractor(
            name, resolution=self._resolution, weights_file=weights_file
        )


def missing_blocks(
    blocks: Iterable[PatchBlock], cache: FeatureCache
) -> list[PatchBlock]:
    """Returns the blocks whose features the cache lacks, each once."""
    unique = {block.key: block for block in blocks}
    return [block for block in unique.values() if block not in cache]


def compute_features(
    extractor: FeatureExtractor,
    blocks: Iterable[PatchBlock],
    cache: FeatureCache,
    *,
    report_patches: Callable[[int], Any] = lambda num_patches: None,
) -> None:
    """Computes the features of blocks and puts each into the cache when it is done.

    A run that is killed loses the block in hand; the next run finds the others.

    Args:
        extractor: Computes the features.
        blocks: What to compute; see `missing_blocks`.
        cache: Where the features go.
        report_patches: Called with the number of patches just done.
    """
    for block, images in _read_ahead(blocks):
        cache.write(block, extractor(images))
        report_patches(block.num_patches)


def _read_ahead(
    blocks: Iterable[PatchBlock],
) -> Iterator[tuple[PatchBlock, NDArray[np.float32]]]:
    with ThreadPoolExecutor(_READERS) as pool:
        waiting: collections.deque[tuple[PatchBlock, Future[NDArray[np.float32]]]]
        waiting = collections.deque()
        for block in blocks:
            waiting.append((block, pool.submit(block.read)))
            if len(waiting) > _BLOCKS_AHEAD:
                first, images = waiting.popleft()
                yield first, images.result()
        for first, images in waiting:
            yield first, images.result()


def _make_samples(blocks: Sequence[PatchBlock], caches: Iterable[FeatureCache]) -> None:
    """Makes the samples whose features are missing, one generator after the other.

    A generator and a network are never in memory together.
    """
    generated = [block for block in blocks if block.generator is not None]
    missing = {
        block.key: block
        for cache in caches
        for block in missing_blocks(generated, cache)
    }.values()
    if not missing:
        return
    with progress_bar(
        total=_num_patches(missing), description="samples", unit="images"
    ) as bar:
        generator = None
        for block in missing:
            if generator is not None and generator is not block.generator:
                generator.close()
            generator = block.generator
            block.read()
            bar.update(block.num_patches)
    if generator is not None:
        generator.close()
    _give_memory_back()


def _num_patches(blocks: Iterable[PatchBlock]) -> int:
    return sum(block.num_patches for block in blocks)


def _give_memory_back() -> None:
    """Frees networks, which hold themselves, and returns their memory to the system.

    The C library keeps freed memory for itself, some hundred MB after a few networks;
    only glibc can be told not to.
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
