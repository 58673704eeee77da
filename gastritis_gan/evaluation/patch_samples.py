"""Patches of a store and of generators, in blocks that are read and kept together."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gastritis_gan.images import uint_to_float
from gastritis_gan.storage import ArrayFolder
from gastritis_gan.store.store import Store, read_patches

PATCHES_PER_BLOCK = 128  # 33 MB at 256 pixels
_CONTENT_VERSION = 2  # another one makes every cached feature stale


class Generator(Protocol):
    """An exported model, as far as an evaluation needs it."""

    @property
    def card(self) -> dict[str, Any]:
        """The model card."""

    @property
    def model_hash(self) -> str:
        """Identity of graph and weights, 64 hexadecimal digits."""

    @property
    def resolution(self) -> int:
        """Size of the images in pixels."""

    def generate(self, seeds: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Returns the `(n, r, r, 1)` images of `(n,)` seeds."""

    def close(self) -> None:
        """Frees the memory of the weights; another `generate` loads them again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchBlock:
    """Up to 128 patches, addressed by what is in them.

    Attributes:
        key: 64 hexadecimal digits, equal only for equal patches (see `content_key`).
        num_patches: At least 1.
        read: Function that returns the patches: shape `(num_patches, r, r, 1)`, in
            [-1, 1], the same at every call.
        generator: Where given, the first `read` lets it make the patches, and keeps
            them on disk.
    """

    key: str
    num_patches: int
    read: Callable[[], NDArray[np.float32]]
    generator: Generator | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """An image of a test patient and the patches that vote on it.

    Attributes:
        key: The image's pseudonym.
        patient: The patient's pseudonym.
        positive: The true class.
        patches: Those that vote, at least one.
        inside: Shape `(patches,)`: which of them lie inside the organ.
    """

    key: str
    patient: str
    positive: bool
    patches: PatchSample
    inside: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchSample:
    """Chosen patches of a row of blocks.

    Attributes:
        blocks: The blocks, numbered through as one list of patches.
        chosen: Shape `(n,)`, ascending positions in that list.
    """

    blocks: tuple[PatchBlock, ...]
    chosen: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.chosen)

    def used(self) -> Iterator[tuple[PatchBlock, NDArray[np.int64]]]:
        """Yields each block with a chosen patch, and which of its patches are."""
        edges = np.cumsum([0, *(block.num_patches for block in self.blocks)])
        bounds = np.searchsorted(self.chosen, edges)
        for number, block in enumerate(self.blocks):
            inside = self.chosen[bounds[number] : bounds[number + 1]] - edges[number]
            if len(inside):
                yield block, inside

    def take(self, positions: NDArray[np.int64]) -> PatchSample:
        """Returns the sample of the chosen patches at ascending `positions`."""
        return dataclasses.replace(self, chosen=self.chosen[positions])


ReadFeatures = Callable[[PatchBlock], NDArray[np.float32]]


def content_key(*parts: Any) -> str:
    """Returns the SHA-256 of the JSON-able values that determine patches."""
    text = json.dumps([_CONTENT_VERSION, *parts], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def real_patches(
    store: Store, indices: NDArray[np.int64], resolution: int
) -> PatchSample:
    """Returns patches of a store; nothing is read yet.

    Args:
        store: The store.
        indices: Shape `(n,)`, rows of the patch table.
        resolution: Side of the patches in pixels, at most the store's patch size.
    """

    def block(part: NDArray[np.int64]) -> PatchBlock:
        images, image_of_patch = np.unique(store.patch_image[part], return_inverse=True)
        return PatchBlock(
            key=content_key(
                "real",
                resolution,
                store.geometry.patch_size,
                store.bits,
                [store.images[image].sha256 for image in images],
                image_of_patch.tolist(),
                store.patch_row[part].tolist(),
                store.patch_column[part].tolist(),
            ),
            num_patches=len(part),
            read=functools.partial(read_patches, store, part, resolution),
        )

    return whole(block(part) for part in _parts(indices))


def generated_patches(
    generator: Generator, seeds: NDArray[np.int64], samples: ArrayFolder
) -> PatchSample:
    """Returns samples of a generator; nothing is generated yet.

    Args:
        generator: Makes the samples, each once for all extractors.
        seeds: Shape `(n,)`, one per sample.
        samples: Where the samples are kept.
    """
    size = generator.resolution

    def block(part: NDArray[np.int64]) -> PatchBlock:
        key = content_key("generated", generator.model_hash, part.tolist())

        def read() -> NDArray[np.float32]:
            if not samples.holds(key, (len(part), size, size, 1), np.uint8):
                samples.write(key, generator.generate(part))
            return uint_to_float(samples.read(key))

        return PatchBlock(
            key=key, num_patches=len(part), read=read, generator=generator
        )

    return whole(block(part) for part in _parts(seeds))


def whole(blocks: Iterable[PatchBlock]) -> PatchSample:
    """Returns all patches of the blocks."""
    blocks = tuple(blocks)
    total = sum(block.num_patches for block in blocks)
    return PatchSample(blocks=blocks, chosen=np.arange(total))


def joined(samples: Iterable[PatchSample]) -> PatchSample:
    """Returns the patches of all samples, one sample after the other."""
    blocks: list[PatchBlock] = []
    chosen = [np.empty(0, np.int64)]
    for sample in samples:
        chosen.append(sum(block.num_patches for block in blocks) + sample.chosen)
        blocks += sample.blocks
    return PatchSample(blocks=tuple(blocks), chosen=np.concatenate(chosen))


def blocks_of(samples: Iterable[PatchSample]) -> list[PatchBlock]:
    """Returns the blocks that hold the chosen patches of samples."""
    return [block for sample in samples for block, _ in sample.used()]


def sample_features(
    sample: PatchSample, read_features: ReadFeatures
) -> NDArray[np.float32]:
    """Returns the `(n, dim)` features of the chosen patches."""
    features = np.empty((0, 0), np.float32)
    start = 0
    for block, inside in sample.used():
        found = read_features(block)[inside]
        if start == 0:  # a list of parts would be as large again
            features = np.empty((len(sample), *found.shape[1:]), found.dtype)
        features[start : start + len(found)] = found
        start += len(found)
    return features


def _parts(values: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(values), PATCHES_PER_BLOCK):
        yield values[start : start + PATCHES_PER_BLOCK]
