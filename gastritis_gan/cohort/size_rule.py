"""Brings images of other sizes to one size, by a rule that the config states."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeChange:
    """What happens to an image and to its outline.

    Attributes:
        kind: "none", "padded" or "rescaled" (and padded, if need be).
        original_shape: Height and width before.
        scaled_shape: Height and width after the rescaling.
        top: Rows of padding above.
        left: Columns of padding to the left.
        shape: Height and width of the result.
    """

    kind: str
    original_shape: tuple[int, int]
    scaled_shape: tuple[int, int]
    top: int
    left: int
    shape: tuple[int, int]

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns a changed image; padding is black.

        Args:
            image: ndarray of uint8 or uint16 of shape (height, width).
        """
        if self.original_shape != self.scaled_shape:
            image = np.rint(self._scale(image)).astype(image.dtype)
        return self._pad(image)

    def apply_to_mask(self, mask: np.ndarray) -> np.ndarray:
        """Returns a changed outline; padding is outside.

        Args:
            mask: ndarray of bool of shape (height, width).
        """
        if self.original_shape != self.scaled_shape:
            mask = self._scale(mask) >= 0.5
        return self._pad(mask)

    def film(self) -> tuple[slice, slice]:
        """Returns the rows and columns of the result that are not padding."""
        height, width = self.scaled_shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def _scale(self, image: np.ndarray) -> np.ndarray:
        # Pillow's bilinear filter widens when it shrinks: no aliasing, no overshoot.
        height, width = self.scaled_shape
        picture = Image.fromarray(image.astype(np.float32))
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))

    def _pad(self, image: np.ndarray) -> np.ndarray:
        if self.shape == self.scaled_shape:
            return image
        padded = np.zeros(self.shape, image.dtype)
        padded[self.film()] = image
        return padded


def size_change(
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float] | None,
    settings: CohortConfig,
) -> SizeChange:
    """Returns what the config's rule does to an image.

    Args:
        shape: Its height and width in pixels.
        spacing_mm: Distance of its rows and of its columns, None if not stated.
        settings: The rule: `image_size`, `other_sizes` and `pixel_spacing_mm`.

    Raises:
        InputError: The rule refuses it.
    """
    original = scaled = (shape[0], shape[1])
    if settings.other_sizes == "rescale":
        scaled = _scaled(original, spacing_mm, settings.pixel_spacing_mm)
    size = settings.image_size
    target = (size, size) if size else scaled
    is_refused = settings.other_sizes == "refuse" or max(scaled) > target[0]
    if scaled != target and is_refused:
        raise InputError(_refusal(original, scaled, settings))
    kind = "padded" if scaled != target else "none"
    return SizeChange(
        kind="rescaled" if scaled != original else kind,
        original_shape=original,
        scaled_shape=scaled,
        top=(target[0] - scaled[0]) // 2,
        left=(target[1] - scaled[1]) // 2,
        shape=target,
    )


def _scaled(
    shape: tuple[int, int],
    spacing_mm: tuple[float, float] | None,
    wanted_mm: float | None,
) -> tuple[int, int]:
    if spacing_mm is None or wanted_mm is None:
        raise InputError(
            "has neither a (0028,0030) PixelSpacing nor a (0018,1164) "
            "ImagerPixelSpacing of two positive numbers, which `cohort.other_sizes: "
            "rescale` needs; leave the image out, or choose `pad` or `refuse`."
        )
    height, width = (
        max(1, round(length * spacing / wanted_mm))
        for length, spacing in zip(shape, spacing_mm, strict=True)
    )
    return height, width


def _refusal(
    shape: tuple[int, int], scaled: tuple[int, int], settings: CohortConfig
) -> str:
    wanted = settings.image_size
    size = f"the image has {shape[0]} x {shape[1]} pixels (height x width)"
    if settings.other_sizes == "refuse":
        return (
            f"{size}, but `cohort.image_size` is {wanted}. Leave the image out, set "
            "`cohort.other_sizes` to pad or rescale, or the size to null to allow any."
        )
    if scaled != shape:
        size += f", {scaled[0]} x {scaled[1]} at {settings.pixel_spacing_mm} mm"
    return (
        f"{size}, and nothing is cut off to get {wanted} x {wanted}. Leave the image "
        "out, or raise `cohort.image_size`."
    )
