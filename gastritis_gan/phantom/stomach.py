"""The shape of the stomach: a J-shaped tube of varying width."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import interpolate, special

from gastritis_gan.phantom.smooth import upsample

# Fundus to pylorus, x to the right (the patient's left), y down, any unit.
_CENTRELINE = np.array(
    [[0.60, 0.27], [0.66, 0.45], [0.60, 0.63], [0.45, 0.76], [0.31, 0.71], [0.24, 0.60]]
)
_RADII = np.array([0.18, 0.175, 0.16, 0.15, 0.135, 0.07])
_CENTRELINE_JITTER = 0.025
_NUM_CENTRELINE_POINTS = 96
_GRID_SIZE = 128
# The organ stays clear of the image's edge, so that text fits beside it.
MARGIN = 0.065
# Distance over which the centreline's direction is averaged: smooth folds in the bend.
_DIRECTION_BLUR = 0.07


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stomach:
    """One stomach in its image; arrays are float32 (image_size, image_size).

    Attributes:
        depth_px: Distance from the wall in pixels, positive inside.
        across_px: Signed distance from the centreline in pixels; folds follow it.
    """

    depth_px: np.ndarray
    across_px: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """True inside the organ."""
        return self.depth_px > 0


def draw_stomach(rng: np.random.Generator, image_size: int) -> Stomach:
    """Draws a stomach that fills a good part of a square image."""
    points, radii = _draw_tube(rng)
    tangents = np.gradient(points, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)

    axis = np.linspace(0.0, 1.0, _GRID_SIZE)
    x, y = np.meshgrid(axis, axis)
    dx = x[..., None] - points[:, 0]  # [n, n, points]
    dy = y[..., None] - points[:, 1]
    squared = dx**2 + dy**2
    depth = np.max(radii - np.sqrt(squared), axis=-1)
    near = special.softmax(-squared / (2 * _DIRECTION_BLUR**2), axis=-1)
    across = dy * tangents[:, 0] - dx * tangents[:, 1]
    # Folds run parallel to the walls: contours move together where the tube narrows.
    across = across * np.sqrt(radii.mean() / radii)
    return Stomach(
        depth_px=upsample(depth * image_size, image_size),
        across_px=upsample((near * across).sum(-1) * image_size, image_size),
    )


def _draw_tube(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Returns centreline points (n, 2) as fractions of the image, and radii (n,)."""
    knots = np.linspace(0.0, 1.0, len(_CENTRELINE))
    parameter = np.linspace(0.0, 1.0, _NUM_CENTRELINE_POINTS)
    points = _CENTRELINE + rng.normal(0, _CENTRELINE_JITTER, _CENTRELINE.shape)
    radii = _RADII * rng.uniform(0.93, 1.07, _RADII.shape)
    points = interpolate.make_interp_spline(knots, points)(parameter)
    radii = interpolate.PchipInterpolator(knots, radii)(parameter)
    # Peristalsis: a shallow wave on the wall.
    waves, phase = rng.uniform(2, 5), rng.uniform(0, 2 * np.pi)
    radii = radii * (1 + 0.03 * np.sin(2 * np.pi * waves * parameter + phase))

    angle = np.deg2rad(rng.uniform(-10, 10))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = points @ turn
    low = (points - radii[:, None]).min(axis=0)
    extent = (points + radii[:, None]).max(axis=0) - low
    scale = rng.uniform(0.80, 1 - 2 * MARGIN) / extent.max()
    room = 1 - 2 * MARGIN - extent * scale
    corner = MARGIN + room * rng.uniform(0, 1, 2)
    return (points - low) * scale + corner, radii * scale
