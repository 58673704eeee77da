"""Stands for a store: one textured image of 96 pixels per patient, no file."""

import dataclasses
from pathlib import Path

import numpy as np
from scipy import ndimage

from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.store import StoredImage

SIDE = 96
RESOLUTION = 16


def draw_image(rng):
    """Returns a texture whose grain, contrast and drift differ between patients."""
    grain = rng.uniform(0.8, 1.6)
    fine = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), grain)
    coarse = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 6)
    image = fine / fine.std() * rng.uniform(20, 35) + coarse / coarse.std() * 15
    return np.clip(image + rng.uniform(100, 150), 0, 255).astype(np.uint8)


class SmallStore:
    path = Path("store")
    split_hash = "ab" * 32
    split_given = False
    positive = "gastritis"
    negative = "non_gastritis"
    bits = 8
    geometry = PatchGeometry(patch_size=32, stride=16)

    def __init__(
        self, *, num_training, num_test, num_fresh=0, images_per_patient=1, seed=0
    ):
        rng = np.random.default_rng(seed)
        numbers = {"train": num_training, "test": num_test, "validation": num_fresh}
        patients = [s for s, number in numbers.items() for _ in range(number)]
        self.images = tuple(
            StoredImage(
                key=f"{patient:04d}{number:02d}",
                patient=f"p{patient:04d}",
                label="positive",
                split=split,
                height=SIDE,
                width=SIDE,
                sha256="",
            )
            for patient, split in enumerate(patients)
            for number in range(images_per_patient)
        )
        self._pixels = [draw_image(rng) for _ in self.images]
        steps = np.arange(0, SIDE - 32 + 1, 16)
        self._per_image = len(steps) ** 2
        self.patch_row = np.tile(np.repeat(steps, len(steps)), len(self.images))
        self.patch_column = np.tile(np.tile(steps, len(steps)), len(self.images))

    def image(self, index):
        return self._pixels[index]

    def window(self, index):
        row, column = self.patch_row[index], self.patch_column[index]
        return self._pixels[index // self._per_image][
            row : row + 32, column : column + 32
        ]

    def patches_of_image(self, index, *, inside_only):
        return np.arange(self._per_image) + index * self._per_image

    def draw_windows(self, split, number, seed):
        """Returns uint8 windows of any position of one group's images."""
        rng = np.random.default_rng(seed)
        chosen = [i for i, image in enumerate(self.images) if image.split == split]
        windows = []
        for _ in range(number):
            image = self._pixels[rng.choice(chosen)]
            row, column = rng.integers(0, SIDE - 32 + 1, 2)
            window = image[row : row + 32, column : column + 32].astype(float)
            windows.append(window.reshape(16, 2, 16, 2).mean(axis=(1, 3)))
        return np.rint(windows).astype(np.uint8)

    def with_splits(self, splits):
        """Returns the same images with other splits."""
        return self._with_images(
            dataclasses.replace(image, split=split)
            for image, split in zip(self.images, splits, strict=True)
        )

    def with_labels(self, labels):
        """Returns the same images with other labels."""
        return self._with_images(
            dataclasses.replace(image, label=label)
            for image, label in zip(self.images, labels, strict=True)
        )

    def with_pseudonyms(self, rename):
        """Returns the same images with other pseudonyms of the patients."""
        return self._with_images(
            dataclasses.replace(image, patient=rename(image.patient))
            for image in self.images
        )

    def _with_images(self, images):
        other = object.__new__(SmallStore)
        other.__dict__ = {**self.__dict__, "images": tuple(images)}
        return other
