from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gastritis_gan.errors import InputError
from gastritis_gan.store.patches import PatchGeometry


@pytest.mark.parametrize(
    ("side", "patch_size", "stride", "expected"),
    [
        (2048, 299, 50, 1225),  # the paper's 35 x 35
        (1024, 299, 50, 225),  # MIAS, ../shared/data/README.md
        (299, 299, 50, 1),
        (348, 299, 50, 1),
        (349, 299, 50, 4),
    ],
)
def test_number_of_patches(side, patch_size, stride, expected):
    rows, columns = PatchGeometry(patch_size=patch_size, stride=stride).grid(side, side)
    assert len(rows) == len(columns) == expected


def test_patches_without_overlap_reassemble_the_image():
    image = np.random.default_rng(0).integers(0, 256, (30, 45))
    rebuilt = np.full_like(image, -1)
    for row, column in zip(
        *PatchGeometry(patch_size=15, stride=15).grid(30, 45), strict=True
    ):
        assert (rebuilt[row : row + 15, column : column + 15] == -1).all()
        rebuilt[row : row + 15, column : column + 15] = image[
            row : row + 15, column : column + 15
        ]
    np.testing.assert_array_equal(rebuilt, image)


@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(0, 2**32 - 1),
)
def test_pixels_are_counted_as_a_loop_counts_them(height, width, size, stride, seed):
    geometry = PatchGeometry(patch_size=size, stride=stride)
    mask = np.random.default_rng(seed).random((height, width)) < 0.6
    if min(height, width) < size:
        with pytest.raises(InputError, match="smaller than a patch"):
            geometry.grid(height, width)
        return
    expected = [
        (top, left, sum(mask[y, x] for y in range(top, top + size)
                        for x in range(left, left + size)))
        for top in range(0, height, stride)
        for left in range(0, width, stride)
        if top + size <= height and left + size <= width
    ]  # fmt: skip
    rows, columns = geometry.grid(height, width)
    counts = geometry.count_pixels(mask, rows, columns)
    np.testing.assert_array_equal(np.stack([rows, columns, counts], axis=1), expected)


def test_coverage_thresholds_are_exact():
    # 0.95 of 150 x 150 is 21,375 and 0.07 of it 1,575: both are in their set, though
    # 0.07 * 22500 is 1575.0000000000002 in floating point and float32(0.95) < 0.95.
    geometry = PatchGeometry(
        patch_size=150, stride=50, inside_coverage=0.95, outside_coverage=0.07
    )
    counts = np.array([0, 1575, 1576, 21374, 21375, 22500])
    assert geometry.is_inside(counts).tolist() == [False] * 4 + [True] * 2
    assert geometry.is_outside(counts).tolist() == [True] * 2 + [False] * 4


def test_the_default_sets_need_every_pixel_or_none():
    geometry = PatchGeometry(patch_size=10, stride=1)
    counts = np.array([0, 1, 99, 100])
    assert geometry.is_inside(counts).tolist() == [False, False, False, True]
    assert geometry.is_outside(counts).tolist() == [True, False, False, False]
