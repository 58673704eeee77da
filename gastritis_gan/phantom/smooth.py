"""Smooth fields: a coarse grid of values, drawn up to the image by a cubic spline."""

from __future__ import annotations

import numpy as np
from scipy import interpolate


def upsample(coarse: np.ndarray, image_size: int) -> np.ndarray:
    """Interpolates a square grid whose corners are the image's corners.

    Args:
        coarse: Float array of shape (n, n), n >= 4.
        image_size: Side of the result in pixels.

    Returns:
        Float32 array of shape (image_size, image_size).
    """
    grid = np.linspace(0.0, 1.0, len(coarse))
    spline = interpolate.make_interp_spline(grid, np.eye(len(coarse)), k=3)
    weights = spline(np.linspace(0.0, 1.0, image_size)).astype(np.float32)  # [H, n]
    field: np.ndarray = weights @ coarse.astype(np.float32) @ weights.T
    return field


def smooth_noise(
    rng: np.random.Generator, image_size: int, wavelength_px: float
) -> np.ndarray:
    """Draws a random field of mean 0 and deviation about 1.

    Args:
        rng: Source of randomness.
        image_size: Side of the field in pixels.
        wavelength_px: About the distance between two neighbouring bumps.

    Returns:
        Float32 array of shape (image_size, image_size).
    """
    num_knots = max(4, round(2 * image_size / wavelength_px) + 1)
    return upsample(rng.standard_normal((num_knots, num_knots)), image_size)
