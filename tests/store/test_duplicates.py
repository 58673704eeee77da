from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import scipy.fft
from PIL import Image

from gastritis_gan.cohort.cohort import CohortError
from gastritis_gan.store.duplicates import find_duplicates, perceptual_hash
from tests.helpers.cohorts import MARKER


def smooth_image(seed, size=128):
    """A picture with structure of every size, as radiographs have."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size))
    for cells in (2, 4, 8, 16, 32):
        noise = Image.fromarray(rng.normal(0, 1 / cells**0.5, (cells, cells)))
        total += np.asarray(noise.resize((size, size), Image.Resampling.BICUBIC))
    total -= total.min()
    return (total / total.max() * 255).astype(np.uint8)


def as_jpeg(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.array(Image.open(buffer))


def with_noise(image):
    noise = np.random.default_rng(9).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def with_less_contrast(image):
    return (image * 0.7 + 40).astype(np.uint8)


@pytest.fixture
def cohort(make_cohort):
    """Six patients with two images each, all different."""
    root = make_cohort()
    rows = read_rows(root)
    for number, row in enumerate(rows):
        row["image"] = f"{MARKER}/new{number:02}.png"
        Image.fromarray(smooth_image(number)).save(root / row["image"])
        Image.new("1", (128, 128), 1).save(root / MARKER / f"{MARKER}.png")
    write_rows(root, rows)
    return root


def read_rows(root):
    with (root / "cohort.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def write_rows(root, rows):
    with (root / "cohort.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def copy_image(root, source, target, change=lambda image: image):
    paths = [root / MARKER / f"new{number:02}.png" for number in (source, target)]
    Image.fromarray(change(np.array(Image.open(paths[0])))).save(paths[1])


def keys_of(store, image):
    """Keys of the stored images with these pixels."""
    return {
        stored.key
        for index, stored in enumerate(store.images)
        if np.array_equal(store.image(index), image)
    }


def test_different_images_are_no_duplicates(cohort, make_store):
    assert find_duplicates(make_store(cohort=cohort)) == []


def test_an_equal_image_under_another_patient_is_found(cohort, make_store):
    copy_image(cohort, 0, 5)
    store = make_store(cohort=cohort)
    (found,) = find_duplicates(store)
    assert {found.first, found.second} == keys_of(store, smooth_image(0))
    assert found.is_exact
    assert "are the same image under two patients" in str(found)
    assert (found.two_patients, found.two_labels) == (True, False)
    splits = {i.split for i in store.images if i.key in (found.first, found.second)}
    assert found.straddles_split == (len(splits) == 2)
    assert ("different sides of the split" in str(found)) == found.straddles_split


@pytest.mark.parametrize("change", [as_jpeg, with_noise, with_less_contrast])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_changed_copy_under_another_patient_is_found(
    cohort, make_store, change, bits
):
    copy_image(cohort, 3, 10, change)
    store = make_store(cohort=cohort, bits=bits)
    (found,) = find_duplicates(store)
    scale = 257 if bits == 16 else 1
    assert {found.first, found.second} == keys_of(
        store, smooth_image(3) * np.uint16(scale)
    ) | keys_of(store, change(smooth_image(3)) * np.uint16(scale))
    assert not found.is_exact
    assert "look the same under two patients and two labels" in str(found)


def test_a_film_that_its_patient_has_twice_is_found(cohort, make_store, caplog):
    copy_image(cohort, 0, 1)
    copy_image(cohort, 2, 3, with_noise)  # films of an examination may look alike
    (found,) = find_duplicates(make_store(cohort=cohort))
    assert "are the same image under two names" in str(found)
    assert "The images of rows 2-3 of the cohort file are the same" in caplog.text


@pytest.mark.parametrize("is_one_patient", [True, False])
def test_one_image_under_two_labels_is_refused(
    cohort, make_store, tmp_path, is_one_patient
):
    copy_image(cohort, 0, 10)
    copy_image(cohort, 2, 8)
    rows = read_rows(cohort)
    if is_one_patient:
        rows[10]["patient"] = rows[0]["patient"]
    write_rows(cohort, rows)
    with pytest.raises(CohortError) as refusal:
        make_store(cohort=cohort)
    assert refusal.value.public.startswith("rows 2, 12; 4, 10 of the cohort file are")
    assert [path.name for path in tmp_path.iterdir()] == [cohort.name]


def test_the_hash_is_scipys_cosine_transform_above_its_median():
    image = smooth_image(4, size=192)
    means = image.reshape(64, 3, 64, 3).mean(axis=(1, 3))
    spectrum = scipy.fft.dctn(means, norm=None)[:16, :16].ravel()[1:]
    found = perceptual_hash(image)
    assert found.shape == (255,)
    # Pillow rounds the means to whole grey levels; a bit near the median may turn.
    assert (found != (spectrum > np.median(spectrum))).sum() <= 5


def test_prepare_names_duplicates_by_their_rows(cohort, tmp_path, caplog):
    from click.testing import CliRunner

    from gastritis_gan.cli.main import main

    copy_image(cohort, 0, 5)
    config = tmp_path / "config.yaml"
    config.write_text(
        "cohort: {positive: dense, negative: fatty}\n"
        "patches: {patch_size: 16, stride: 8}\n"
        "split: {train_positive_patients: 2, train_negative_patients: 2}\n"
        "schedule: {final_resolution: 16}\n"
    )
    result = CliRunner().invoke(
        main,
        ["prepare", str(cohort), "--config", str(config), "--workers", "1",
         "--out", str(tmp_path / "store")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (warning,) = [m for m in caplog.messages if "under two patients" in m]
    assert warning.startswith("The images of rows 2, 7 of the cohort file are the same")
    assert MARKER not in result.output + caplog.text
