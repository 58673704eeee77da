import numpy as np
import pytest
from skimage.feature import match_template

from gastritis_gan.privacy.matching import PixelMatcher
from gastritis_gan.privacy.windows import FLIPS, flip_patches
from tests.helpers.small_store import SIDE, draw_image


def texture(seed, side=SIDE):
    image = draw_image(np.random.default_rng(seed))[:side, :side]
    return image.astype(np.float32) / 255


def turn(patch, flip):
    return {
        "none": patch,
        "rows": patch[::-1],
        "columns": patch[:, ::-1],
        "both": patch[::-1, ::-1],
    }[flip]


def best_of_all_windows(patch, image):
    """The best correlation at whole pixels, by scikit-image, and its flip."""
    best = {flip: match_template(image, turn(patch, flip)).max() for flip in FLIPS}
    flip = max(best, key=best.get)
    return best[flip], flip


def test_score_and_flip_are_those_of_match_template_at_whole_pixels():
    image = texture(1, 48)
    rng = np.random.default_rng(0)
    patches = np.stack(
        [
            turn(image[y : y + 8, x : x + 8], flip)
            for (y, x), flip in zip(rng.integers(0, 40, (4, 2)), FLIPS, strict=True)
        ]
        + [texture(seed, 8) for seed in range(10, 16)]
    ).astype(np.float32)
    match = PixelMatcher(patches, patch_size=8, min_std=0).match(image)
    for index, patch in enumerate(patches):
        score, flip = best_of_all_windows(patch, image)
        # Quarter-pixel steps may find better, never worse.
        assert match.score[index] >= score - 1e-5
        if score > 0.999:
            assert match.score[index] == pytest.approx(1, abs=1e-5)
            assert FLIPS[match.flip[index]] == flip


def test_quarter_pixels_are_found_by_brute_force_too():
    """Every quarter-pixel window of a small image, one by one."""
    image = texture(2, 20)
    patches = np.stack([texture(seed, 8) for seed in (3, 4, 5)])
    match = PixelMatcher(patches, patch_size=8, min_std=0).match(image)
    for index, patch in enumerate(patches):
        best = -1.0
        row, column = float(match.row[index]), float(match.column[index])
        for i in range(12):
            for j in range(12):
                window = image[i : i + 8, j : j + 8]
                for flip in FLIPS:
                    best = max(
                        best,
                        np.corrcoef(turn(patch, flip).ravel(), window.ravel())[0, 1],
                    )
        window = interpolated_window(image, row, column, 8)
        turned = turn(patch, FLIPS[match.flip[index]])
        expected = np.corrcoef(turned.ravel(), window.ravel())[0, 1]
        assert match.score[index] == pytest.approx(expected, abs=1e-5)
        assert match.score[index] >= best - 1e-5


def interpolated_window(image, row, column, size):
    """Boxes of one pixel at a fractional offset: bilinear weights, by hand."""
    window = np.empty((size, size))
    y0, x0 = int(row), int(column)
    a, b = row - y0, column - x0
    padded = np.pad(image, 1, mode="edge")[1:, 1:]
    for i in range(size):
        for j in range(size):
            four = padded[y0 + i : y0 + i + 2, x0 + j : x0 + j + 2]
            weights = np.outer([1 - a, a], [1 - b, b])
            window[i, j] = (four * weights).sum()
    return window


@pytest.mark.parametrize(
    ("side", "patch_size", "resolution"),
    [(96, 32, 16), (96, 30, 8), (400, 64, 32)],  # the last one searches at 16 pixels
)
def test_disguised_windows_at_any_position_are_found(side, patch_size, resolution):
    image = np.kron(texture(6), np.ones((5, 5), np.float32))[:side, :side]
    rng = np.random.default_rng(1)
    number = 60
    places = rng.integers(0, side - patch_size + 1, (number, 2))
    from gastritis_gan.images import area_resize

    windows = np.stack(
        [
            area_resize(image[y : y + patch_size, x : x + patch_size], resolution)
            for y, x in places
        ]
    )
    flips = rng.integers(4, size=number).astype(np.uint8)
    patches = flip_patches(windows, flips)
    noise = rng.normal(size=patches.shape) * windows.std(axis=(1, 2), keepdims=True)
    patches = (0.7 * (patches + 0.1 * noise) + 0.2).astype(np.float32)
    matcher = PixelMatcher(patches, patch_size=patch_size, min_std=0)
    match = matcher.match(image)
    far = np.abs(match.row - places[:, 0]) + np.abs(match.column - places[:, 1])
    is_found = (far < 2 * patch_size / resolution) & (match.score > 0.9)
    assert is_found.mean() >= 0.95  # 20 dB of noise: at most 0.995 each
    np.testing.assert_array_equal(match.flip[is_found], flips[is_found])


def test_flat_patches_and_flat_windows_match_nothing():
    image = texture(7, 48)
    image[:24] = 0.5
    image[:24] += np.float32(1e-4) * texture(8, 48)[:24]
    patches = np.stack([image[2:10, 2:10], image[30:38, 30:38]])
    matcher = PixelMatcher(patches, patch_size=8, min_std=0.01)
    match = matcher.match(image)
    np.testing.assert_array_equal(matcher.is_flat, [True, False])
    assert match.score[0] == 0
    assert match.score[1] == pytest.approx(1, abs=1e-4)
    assert match.row[1] == 30


def test_images_need_not_be_square():
    image = texture(9)[:40]
    patch = image[11:19, 50:58][None]
    match = PixelMatcher(patch, patch_size=8, min_std=0).match(image)
    assert (match.row[0], match.column[0]) == (11, 50)
