"""Changes to images on their way to the discriminator."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from gastritis_gan.training.training_settings import Transform

NUM_FACTORS = 10  # uniform numbers per image
_TRANSLATION = 0.125  # these four are DiffAugment's
_BRIGHTNESS = 0.5
_CONTRAST = 0.5
_CUTOUT = 0.5


def flip_horizontally(images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Mirrors the images whose factor is below one half, left to right.

    Args:
        images: `(batch, height, width, channels)`.
        factors: `(batch,)`, uniform in [0, 1).
    """
    mirrored = tf.reverse(images, axis=[2])
    return tf.where(factors[:, None, None, None] < 0.5, mirrored, images)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Transforms that leave a radiograph a radiograph, each with a probability.

    Differentiable, so that the generator learns through them (DiffAugment, Zhao et al.
    2020, whose transforms and strengths these are, without colour):

    - translation by up to an eighth of the side; what comes in is 0;
    - brightness: up to a quarter of the grey range is added or subtracted;
    - contrast: differences from the image's mean times 0.5 to 1.5;
    - cutout: a square of half the side is set to 0, in part beyond the edge.

    Below a probability of one half the distribution of the augmented images determines
    that of the images: if two differ by mu, their augmented ones differ by
    (1 - p) mu + p A mu, and A mu, the effect of always transforming, has at most the
    total variation of mu; so the sum vanishes for p < 1/2 only if mu does. Samples that
    match after augmentation match before it: no augmentation can leak into them
    (compare Karras et al. 2020, "Training GANs with limited data", section 2.2).

    Attributes:
        probability: Of each transform, independently, per image; in [0, 0.5).
        transforms: Which may be applied.
    """

    probability: float
    transforms: tuple[Transform, ...]

    @property
    def is_used(self) -> bool:
        """Whether any image changes."""
        return self.probability > 0 and bool(self.transforms)

    def __call__(self, images: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
        """Returns the augmented images.

        Args:
            images: `(batch, r, r, channels)` in [-1, 1].
            factors: `(batch, NUM_FACTORS)`, uniform in [0, 1).
        """
        (
            by_translation,
            *offsets,
            by_brightness,
            brightness,
            by_contrast,
            contrast,
            by_cutout,
            row,
            column,
        ) = tf.unstack(factors, num=NUM_FACTORS, axis=1)
        if "brightness" in self.transforms:
            shift = self._where(by_brightness, _BRIGHTNESS * (2 * brightness - 1))
            images = images + shift[:, None, None, None]
        if "contrast" in self.transforms:
            gain = 1 + self._where(by_contrast, _CONTRAST * (2 * contrast - 1))
            means = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
            images = means + (images - means) * gain[:, None, None, None]
        if "translation" in self.transforms:
            down, right = (
                self._where(by_translation, 2 * offset - 1) for offset in offsets
            )
            images = _translate(images, down, right)
        if "cutout" in self.transforms:
            kept = 1 - _squares(row, column, images.shape[1])
            kept = 1 + self._where(by_cutout[:, None, None, None], kept - 1)
            images = images * kept
        return images

    def _where(self, chance: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        return tf.where(chance < self.probability, value, 0.0)


def _translate(images: tf.Tensor, down: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """Moves images by whole pixels; `down`, `right`: in [-1, 1) of the largest move.

    Products with shifted unit matrices: they can be differentiated on every device.
    """
    size = images.shape[1]
    furthest = round(_TRANSLATION * size)

    def shift(share: tf.Tensor) -> tf.Tensor:
        pixels = tf.floor(share * (furthest + 0.5) + 0.5)  # -furthest ... furthest
        sources = tf.range(size) - tf.cast(pixels, tf.int32)[:, None]  # [N, H]
        return tf.one_hot(sources, size)  # [N, H, H], no source: zeros

    moved = tf.einsum("nij,njkc->nikc", shift(down), images)
    return tf.einsum("nij,nkjc->nkic", shift(right), moved)


def _squares(row: tf.Tensor, column: tf.Tensor, size: int) -> tf.Tensor:
    """Returns 1 within a square around (row, column) in [0, 1), else 0."""
    half = _CUTOUT * size / 2

    def inside(centre: tf.Tensor) -> tf.Tensor:
        pixels = tf.range(size, dtype=tf.float32)
        distances = tf.abs(pixels - tf.floor(centre * (size + 1))[:, None] + 0.5)
        return tf.cast(distances < half, tf.float32)  # [N, H]

    return (inside(row)[:, :, None] * inside(column)[:, None, :])[..., None]
