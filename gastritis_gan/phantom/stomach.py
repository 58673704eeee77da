"""The stomach: a J-shaped tube, and the relief of its mucosa."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import interpolate, ndimage, special

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
# Lengths are in pixels of an image of this size, and scale with the image.
REFERENCE_SIZE = 1024
_RIM_PX = 60  # drawn beyond the wall, so that filters see no edge
_GROOVE_WIDTH = 0.38  # in cells
_AVERAGE_PX = 4  # 128-pixel patches are looked at with 32 pixels
_BAND_SPLIT_PX = 2.2  # about between what that average keeps and what it removes
_NEIGHBOURHOOD_PX = 26
_FINE_BAND_STD = 0.45  # of the coarse band's
_EPSILON = 1e-6


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
    """Draws a random field of mean 0 and standard deviation about 1.

    Args:
        rng: Source of randomness.
        image_size: Side of the field in pixels.
        wavelength_px: About the distance between two neighbouring bumps.

    Returns:
        Float32 array of shape (image_size, image_size).
    """
    num_knots = max(4, round(2 * image_size / wavelength_px) + 1)
    return upsample(rng.standard_normal((num_knots, num_knots)), image_size)


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Relief:
    """How one patient's mucosa looks; lengths in pixels at 1024 pixels image size.

    Attributes:
        fold_spacing_px: Distance between neighbouring folds.
        fold_width: Width of a fold as a fraction of the spacing.
        fold_wander: Sideways displacement of a fold, in spacings.
        fold_wander_px: Wavelength of that displacement.
        fold_unevenness: Relative variation of the width along a fold.
        areae_px: Diameter of an area gastrica.
        areae_irregularity: 0 is a regular mosaic, 1 a random one.
        fold_share: Share of the relief that is folds rather than areae.
    """

    fold_spacing_px: float
    fold_width: float
    fold_wander: float
    fold_wander_px: float
    fold_unevenness: float
    areae_px: float
    areae_irregularity: float
    fold_share: float


def draw_mucosa(
    rng: np.random.Generator, stomach: Stomach, relief: Relief
) -> np.ndarray:
    """Draws the barium coat's relief: bright grooves, dark folds and areae.

    The local mean is 0 and the local standard deviation the same everywhere inside,
    separately in what a 4 x 4 average keeps and in what it removes: neither separates
    the classes.

    Returns:
        Float32 array of shape (image_size, image_size); 0 far from the organ.
    """
    image_size = len(stomach.depth_px)
    unit = image_size / REFERENCE_SIZE
    folds = _folds(rng, stomach, relief)
    areae = _areae(rng, stomach, relief)
    share = relief.fold_share + 0.15 * smooth_noise(rng, image_size, 500 * unit)
    share = np.clip(share, 0.1, 0.9)
    near = stomach.depth_px > -_RIM_PX * unit
    field = share * _standardised(folds, near)
    field += (1 - share) * _standardised(areae, near)
    return _equalised(np.where(near, field, 0).astype(np.float32), near, unit)


def _folds(rng: np.random.Generator, stomach: Stomach, relief: Relief) -> np.ndarray:
    """Dark ridges with bright borders along the contours of `across_px`."""
    image_size = len(stomach.depth_px)
    unit = image_size / REFERENCE_SIZE
    # In spacings; its slope stays below 1, else contours would close to rings.
    wander = smooth_noise(rng, image_size, relief.fold_wander_px * unit)
    tremor = smooth_noise(rng, image_size, 0.5 * relief.fold_wander_px * unit)
    drift = smooth_noise(rng, image_size, 500 * unit)  # no two folds are quite parallel
    phase = stomach.across_px / (relief.fold_spacing_px * unit)
    phase += relief.fold_wander * (wander + 0.35 * tremor) + 0.6 * drift
    uneven = smooth_noise(rng, image_size, 90 * unit)
    half_width = 0.5 * relief.fold_width * np.exp(relief.fold_unevenness * uneven)
    from_crest = np.abs(phase - np.round(phase)) / half_width  # 1 at the fold's border
    ridge = np.exp(-(from_crest**4))
    border = np.exp(-(((from_crest - 1.15) / 0.4) ** 2))
    # Folds flatten out here and there where the gas distends the wall.
    height = 0.25 + special.expit(2 * smooth_noise(rng, image_size, 170 * unit) + 1)
    folds: np.ndarray = height * (0.8 * border - ridge)
    return folds


def _areae(rng: np.random.Generator, stomach: Stomach, relief: Relief) -> np.ndarray:
    """Polygons in a net of bright grooves: cells around jittered grid points."""
    image_size = len(stomach.depth_px)
    unit = image_size / REFERENCE_SIZE
    cell_px = relief.areae_px * unit
    num_cells = int(image_size / cell_px) + 8
    jitter = 0.45 + 0.55 * relief.areae_irregularity
    points = jitter * rng.uniform(-0.5, 0.5, (2, num_cells, num_cells))
    points = points.astype(np.float32)  # [y and x, row, column]
    points[1, ::2] += 0.25  # rows of bricks: the mosaic has six neighbours, not four
    points[1, 1::2] -= 0.25
    bend = 0.2 + 0.5 * relief.areae_irregularity
    bends = [smooth_noise(rng, image_size, 5 * cell_px) for _ in range(2)]

    rows, columns = np.nonzero(stomach.depth_px > -_RIM_PX * unit)
    y = rows.astype(np.float32) / cell_px + bend * bends[0][rows, columns] + 3.5
    x = columns.astype(np.float32) / cell_px + bend * bends[1][rows, columns] + 3.5
    cell_y, cell_x = np.rint(y).astype(np.int32), np.rint(x).astype(np.int32)
    nearest = np.full(len(rows), np.inf, np.float32)
    second = nearest.copy()
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            at_y = np.clip(cell_y + step_y, 0, num_cells - 1)
            at_x = np.clip(cell_x + step_x, 0, num_cells - 1)
            dy = at_y + points[0][at_y, at_x] - y
            dx = at_x + points[1][at_y, at_x] - x
            distance = np.sqrt(dy * dy + dx * dx)
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
    grooves = np.zeros((image_size, image_size), np.float32)
    grooves[rows, columns] = np.exp(-(((second - nearest) / _GROOVE_WIDTH) ** 2))
    # Barium fills some grooves more than others.
    grooves *= special.expit(1.5 * smooth_noise(rng, image_size, 3 * cell_px) + 1)
    return grooves


def _standardised(field: np.ndarray, near: np.ndarray) -> np.ndarray:
    inside = field[near]
    standardised: np.ndarray = (field - inside.mean()) / inside.std()
    return standardised


def _equalised(field: np.ndarray, near: np.ndarray, unit: float) -> np.ndarray:
    """Brings both bands of the relief to a fixed local mean and standard deviation."""
    width = max(3, round(_NEIGHBOURHOOD_PX * unit))
    average_px = max(1, round(_AVERAGE_PX * unit))

    def blur(values: np.ndarray) -> np.ndarray:
        twice: np.ndarray = ndimage.uniform_filter(
            ndimage.uniform_filter(values, width), width
        )
        return twice

    weight = np.maximum(blur(near.astype(np.float32)), 1e-3)  # share of the organ

    def centred(band: np.ndarray) -> np.ndarray:
        return np.where(near, band - blur(np.where(near, band, 0)) / weight, 0)

    def standard_deviation(band: np.ndarray) -> np.ndarray:
        root: np.ndarray = np.sqrt(blur(band**2) / weight + _EPSILON)
        return root

    low = ndimage.gaussian_filter(field, _BAND_SPLIT_PX * unit)
    coarse, fine = centred(low), centred(field - low)
    coarse /= standard_deviation(ndimage.uniform_filter(coarse, average_px))
    fine /= standard_deviation(fine)
    return coarse + _FINE_BAND_STD * fine
