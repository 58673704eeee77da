"""Toy patches whose features are their pixels, for the tests of the evaluation."""

from __future__ import annotations

import numpy as np

from gastritis_gan.evaluation.patch_samples import LabelledImage, PatchBlock, whole
from gastritis_gan.evaluation.rows import TrainingSet


def draw_patches(mean: float, count: int, seed: int) -> np.ndarray:
    """Returns (count, 4, 4, 1) patches: `mean` plus unit noise, scaled into [-1, 1]."""
    noise = np.random.default_rng(seed).normal(size=(count, 4, 4, 1))
    return np.clip((mean + noise) / 8, -1, 1).astype(np.float32)


def make_blocks(patches: np.ndarray, name: str, size: int = 20) -> tuple:
    return tuple(
        PatchBlock(
            key=f"{name}{start}",
            num_patches=len(patches[start : start + size]),
            read=lambda part=patches[start : start + size]: part,
        )
        for start in range(0, len(patches), size)
    )


def read_pixels(block: PatchBlock) -> np.ndarray:
    """Stands in for the feature cache."""
    return block.read().reshape(block.num_patches, -1).copy()


def make_set(name, positive, negative, **fields) -> TrainingSet:
    return TrainingSet(
        name=name,
        positive=whole(make_blocks(positive, f"{name}+")),
        negative=whole(make_blocks(negative, f"{name}-")),
        sample_seed=fields.pop("sample_seed", 0),
        **fields,
    )


def make_images(mean, *, per_class, num_patches=5, num_inside=None, per_patient=1):
    """Returns images whose patches lie at +mean if positive, at -mean if negative.

    With `num_inside`, the patches after the first so many are outside and show the
    other class.
    """
    images = []
    for number in range(2 * per_class):
        positive = number < per_class
        sign = 1 if positive else -1
        patches = draw_patches(sign * mean, num_patches, 1000 + number)
        inside = np.arange(num_patches) < (num_inside or num_patches)
        patches[~inside] *= -1
        images.append(
            LabelledImage(
                key=f"image{number}",
                patient=f"patient{number // per_patient}",
                positive=positive,
                patches=whole(make_blocks(patches, f"image{number}-", size=3)),
                inside=inside,
            )
        )
    return images
