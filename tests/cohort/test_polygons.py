from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gastritis_gan.cohort.polygons import combine_parts, fill_polygon

COORDINATE = st.floats(-5, 25, allow_nan=False)


def _rectangle(x0, y0, x1, y1, shape):
    return fill_polygon(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), shape)


def test_a_pixel_is_inside_when_its_centre_is():
    triangle = np.array([[0, 0], [4, 0], [0, 4]], float)
    # centres (x + .5, y + .5) with x + y + 1 < 4; the diagonal's own are on the edge
    drawn = fill_polygon(triangle - 1e-9, (5, 5)).astype(int).tolist()
    assert drawn == [
        [1, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_corners_of_the_image_fill_it_and_neighbours_share_no_pixel():
    shape = (6, 9)
    assert _rectangle(0, 0, 9, 6, shape).all()
    assert _rectangle(-50, -50, 90, 60, shape).all()
    assert not _rectangle(20, 0, 30, 6, shape).any()
    left, right = _rectangle(0, 0, 4.5, 6, shape), _rectangle(4.5, 0, 9, 6, shape)
    assert (left ^ right).all()


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=9))
def test_random_polygons_agree_with_a_ray_per_pixel(corners):
    shape = (18, 20)
    edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
    expected = np.zeros(shape, bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            x, y = column + 0.5, row + 0.5
            inside = False
            for (x0, y0), (x1, y1) in edges:
                if (y0 <= y) != (y1 <= y):
                    inside ^= x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x
            expected[row, column] = inside
    np.testing.assert_array_equal(fill_polygon(np.array(corners), shape), expected)


def test_a_star_agrees_with_scikit_image():
    draw = pytest.importorskip("skimage.draw")
    angles = np.linspace(0, 2 * np.pi, 41)[:-1]
    radii = np.where(np.arange(40) % 2, 40.3, 90.7)
    x, y = 101.13 + radii * np.cos(angles), 99.57 + radii * np.sin(angles)
    # scikit-image puts pixel centres at whole numbers
    expected = draw.polygon2mask((200, 210), np.stack([y - 0.5, x - 0.5], axis=1))
    mask = fill_polygon(np.stack([x, y], axis=1), (200, 210))
    np.testing.assert_array_equal(mask, expected)


def test_parts_are_united_and_a_part_within_another_is_a_hole():
    shape = (10, 20)
    outer, hole = _rectangle(0, 0, 9, 9, shape), _rectangle(2, 2, 7, 7, shape)
    island, apart = _rectangle(4, 4, 5, 5, shape), _rectangle(12, 1, 15, 4, shape)
    across = _rectangle(14, 2, 18, 5, shape)
    mask = combine_parts([island, across, hole, apart, outer], shape)
    assert mask.sum() == 81 - 25 + 1 + (9 + 12 - 2)
    assert mask[4, 4]
    assert not mask[3, 3]
