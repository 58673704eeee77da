from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.cohort.size_rule import size_change
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import MARKER, SIZE, grey_dataset, organ_mask, save_dicom

RESCALE = {"image_size": 80, "other_sizes": "rescale", "pixel_spacing_mm": 0.2}


def change_of(shape, spacing_mm=None, **settings):
    return size_change(shape, spacing_mm, CohortConfig(**settings))


@pytest.mark.parametrize("other_sizes", ["refuse", "pad"])
def test_the_right_size_is_left_alone(other_sizes):
    change = change_of((6, 6), image_size=6, other_sizes=other_sizes)
    image = np.arange(36, dtype=np.uint8).reshape(6, 6)
    assert change.kind == "none"
    assert change.apply(image) is image
    assert change_of((6, 4)).kind == "none"


def test_a_smaller_image_is_centred_on_black():
    change = change_of((3, 4), image_size=6, other_sizes="pad")
    image = np.arange(1, 13, dtype=np.uint16).reshape(3, 4) * np.uint16(5000)
    expected = np.zeros((6, 6), np.uint16)
    expected[1:4, 1:5] = image
    padded = change.apply(image)
    assert padded.dtype == np.uint16
    np.testing.assert_array_equal(padded, expected)
    np.testing.assert_array_equal(change.apply_to_mask(image > 0), expected > 0)
    np.testing.assert_array_equal(padded[change.film()], image)
    assert change.kind == "padded"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rescaling_goes_by_the_spacing_of_rows_and_columns(dtype):
    # 32 rows of 0.4 mm and 64 columns of 0.1 mm: 12.8 mm x 6.4 mm, 64 x 32 pixels
    change = change_of((32, 64), (0.4, 0.1), **RESCALE)
    assert (change.kind, change.scaled_shape) == ("rescaled", (64, 32))
    assert (change.top, change.left, change.shape) == (8, 24, (80, 80))
    y, x = np.mgrid[:32, :64].astype(float)
    scaled = change.apply((4 * y + x).astype(dtype))[change.film()]
    # Centres: row i of 0.2 mm lies at (i + 0.5) / 2 - 0.5, column j at 2 j + 0.5.
    i, j = np.mgrid[:64, :32]
    expected = 4 * ((i + 0.5) / 2 - 0.5) + 2 * j + 0.5
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(scaled[inner], expected[inner], atol=0.51)
    mask = change.apply_to_mask((y < 16) & (x < 20))[change.film()]
    np.testing.assert_array_equal(mask, (i < 32) & (j < 10))


@pytest.mark.parametrize(
    ("rule", "shape", "spacing", "message"),
    [
        ({"image_size": 6}, (6, 4), None, r"6 x 4 pixels .*image_size` is 6"),
        (
            {"image_size": 6, "other_sizes": "pad"},
            (7, 4),
            None,
            r"7 x 4 pixels .* nothing is cut off to get 6 x 6",
        ),
        (RESCALE, (64, 64), None, r"neither a \(0028,0030\) PixelSpacing nor"),
        (RESCALE, (64, 64), (0.2, 0.3), r"64 x 96 at 0.2 mm, and nothing is cut off"),
    ],
)
def test_what_the_rule_does_not_allow_is_refused(rule, shape, spacing, message):
    with pytest.raises(InputError, match=message):
        change_of(shape, spacing, **rule)


@pytest.fixture
def dicom_cohort(tmp_path):
    """Six patients; the spacing, and where it stands, differs between them."""
    root = tmp_path / "cohort"
    root.mkdir()
    Image.fromarray(organ_mask()).save(root / "mask.png")
    rng = np.random.default_rng(0)
    with (root / "cohort.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["image", "patient", "label", "outline"])
        for number in range(6):
            spacing = {
                "PixelSpacing": [0.2, 0.2],
                "ImagerPixelSpacing": [0.1, 0.1],
            }
            if number == 2:
                spacing = {"ImagerPixelSpacing": [0.1, 0.25]}
            pixels = rng.integers(0, 256, (SIZE, SIZE), np.uint8)
            save_dicom(root / f"{number}.dcm", grey_dataset(pixels, **spacing))
            label = "dense" if number < 3 else "fatty"
            rows.writerow([f"{number}.dcm", f"p{number}", label, "mask.png"])
    return root


def test_the_store_says_which_images_were_changed(dicom_cohort, make_store):
    store = make_store(cohort=dicom_cohort, **RESCALE)
    kinds = [image.size_change for image in store.images]
    assert sorted(kinds) == ["padded"] * 5 + ["rescaled"]
    assert {(image.height, image.width) for image in store.images} == {(80, 80)}
    changed = kinds.index("rescaled")
    y, x = np.mgrid[:80, :80]
    # a disc of 20 pixels in a film that is 32 pixels high and 80 wide
    disc = ((y - 39.5) / 10) ** 2 + ((x - 39.5) / 25) ** 2 <= 1
    assert (store.outline(changed) != disc).mean() < 0.01
    assert not store.image(changed)[:24].any()
    plain = kinds.index("padded")
    np.testing.assert_array_equal(store.outline(plain)[8:72, 8:72], organ_mask())


def test_an_image_without_spacing_cannot_be_rescaled(make_cohort, make_store):
    with pytest.raises(
        InputError, match=rf"{MARKER}\d\d.*: has neither a \(0028,0030\)"
    ):
        make_store(cohort=make_cohort(), **RESCALE)
