"""Disguises made by scikit-image and SciPy are seen through."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.transform import AffineTransform, warp

from gastritis_gan.privacy.disguises import DisguiseMatcher
from gastritis_gan.privacy.windows import starts_inside
from tests.helpers.small_store import draw_image

SIDE, SIZE = 96, 32
PLACES = [(20, 20), (32, 40), (43, 27), (25, 44)]


@pytest.fixture(scope="module")
def images():
    return [draw_image(np.random.default_rng(i)) / np.float32(255) for i in range(5)]


def windows_of(image):
    """Windows of 32 pixels averaged to 16."""
    windows = np.array([image[y : y + SIZE, x : x + SIZE] for y, x in PLACES])
    return windows.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)).astype(np.float32)


def turned(image, degrees, scale):
    """Turns and scales the image about the middle of each window."""
    result = []
    for index, (y, x) in enumerate(PLACES):
        middle = np.array([x, y]) + (SIZE - 1) / 2
        about = (
            AffineTransform(translation=-middle)
            + AffineTransform(rotation=np.deg2rad(degrees), scale=1 / scale)
            + AffineTransform(translation=middle)
        )
        result.append(windows_of(warp(image, about, order=3, mode="reflect"))[index])
    return np.array(result, np.float32)


def match(patches, image, inside=None):
    matcher = DisguiseMatcher(patches, patch_size=SIZE, min_std=2 / 255)
    return matcher.match(
        image, np.ones((SIDE, SIDE), bool) if inside is None else inside
    )


def lead(score, patches, images):
    """How far the right image's score lies above the best of the others, at least."""
    own = score(match(patches, images[0]))
    others = [score(match(patches, image)) for image in images[1:]]
    return (own - np.max(others, axis=0)).min()


@pytest.mark.parametrize(
    ("degrees", "scale"), [(0, 1), (5, 1), (-10, 1), (0, 0.9), (0, 1.1), (-3, 1.05)]
)
def test_turned_and_scaled_windows_are_found(images, degrees, scale):
    patches = turned(images[0], degrees, scale)
    assert match(patches, images[0]).turned.min() > 0.93
    assert lead(lambda found: found.turned, patches, images) > 0.1


def test_low_passed_windows_are_found(images):
    patches = ndimage.gaussian_filter(windows_of(images[0]), (0, 1.5, 1.5))
    patches = patches[:, ::-1].copy()  # flipped, too
    assert lead(lambda found: found.low_pass[0], patches, images) > 0.03


def test_a_quarter_is_found_by_its_sub_window_alone(images):
    patches = windows_of(images[4])
    patches[:, 8:, :8] = windows_of(images[0])[:, 8:, :8]
    found = match(patches, images[0])
    assert found.sub_windows.shape == (9, len(PLACES))
    np.testing.assert_array_equal(found.sub_windows.argmax(axis=0), 6)  # the last row
    assert found.sub_windows[6].min() > 0.93


def test_a_part_stands_out_further_in_detail(images):
    large = np.kron(images[0], np.ones((2, 2), np.float32))  # 64 pixels to 32
    large += np.random.default_rng(0).normal(0, 0.1, large.shape).astype(np.float32)
    patch = large[40:104, 40:104].reshape(32, 2, 32, 2).mean(axis=(1, 3))[None]
    everywhere = np.ones(large.shape, bool)
    matcher = DisguiseMatcher(patch, patch_size=64, min_std=2 / 255)
    found = matcher.match(large, everywhere)
    assert found.sub_windows.min() > 0.98  # whole pixels of 32: nothing is lost
    noise = large + np.random.default_rng(1).normal(0, 0.1, large.shape)
    other = matcher.match(noise.astype(np.float32), everywhere)
    # Noise costs far more in detail than low-passed.
    assert (other.low_pass[1:] - other.sub_windows).min() > 0.02


def test_windows_outside_do_not_count(images):
    inside = np.zeros((SIDE, SIDE), bool)
    inside[20 : 20 + SIZE, 20 : 20 + SIZE] = True  # the first place alone
    found = match(windows_of(images[0]), images[0], inside)
    assert found.low_pass[0, 0] > 0.98
    assert found.low_pass[0, 1:].max() < 0.8


def test_flat_patches_match_nothing(images):
    patches = windows_of(images[0])
    patches[2] = 0.5
    found = match(patches, images[0])
    assert (
        found.low_pass[:, 2].max()
        == found.turned[2]
        == found.sub_windows[:, 2].max()
        == 0
    )


def test_starts_inside_are_where_a_window_fits_but_for_one_row():
    inside = np.zeros((12, 12), bool)
    inside[4:10, 2:12] = True  # rows 2 to 4 and columns 1 to 5 of 2-pixel pixels
    found = starts_inside(inside, 2, 3, (4, 4))
    expected = np.zeros((4, 4), bool)
    expected[1:4, 1:4] = True  # one row above and one below are tolerated
    expected[2, 0] = True
    np.testing.assert_array_equal(found, expected)
