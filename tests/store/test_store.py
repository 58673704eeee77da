from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread

from gastritis_gan.cohort.cohort_settings import CohortConfig
from gastritis_gan.errors import InputError
from gastritis_gan.store.pixels import read_pixels
from gastritis_gan.store.split import SplitConfig
from gastritis_gan.store.store import PATCH_SETS, Store, check_store_fits, read_patches
from tests.helpers.cohorts import GEOMETRY, organ_mask


def test_patch_sets_are_those_of_their_definition(make_store):
    store = make_store()
    assert store.splits == ("train", "test")
    assert store.patch_set("positive", "validation").size == 0
    for split in store.splits:
        for name in PATCH_SETS:
            expected = [
                index
                for index, number in enumerate(store.patch_image)
                if store.images[number].split == split
                and (
                    store.patch_coverage[index] == 0
                    if name == "outside"
                    else store.patch_coverage[index] == 1
                    and store.images[number].label == name
                )
            ]
            found = store.patch_set(name, split)
            assert found.dtype == np.int64
            assert found.tolist() == expected
            assert expected


@pytest.mark.parametrize(("name", "split"), [("inside", "train"), ("outside", "all")])
def test_other_sets_are_refused(make_store, name, split):
    with pytest.raises(ValueError, match="must be one of"):
        make_store().patch_set(name, split)


def test_patches_of_an_image(make_store):
    store = make_store()
    for index in (0, 5, 11):
        every = store.patches_of_image(index, inside_only=False)
        np.testing.assert_array_equal(every, np.flatnonzero(store.patch_image == index))
        inside = store.patches_of_image(index, inside_only=True)
        assert inside.tolist() == [i for i in every if store.patch_coverage[i] == 1]


def test_images_cannot_be_changed(make_store):
    image = make_store().image(3)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 1


def _count_reads(monkeypatch) -> list[str]:
    read: list[str] = []

    def counted(path, *expected):
        read.append(path.stem)
        return read_pixels(path, *expected)

    monkeypatch.setattr("gastritis_gan.store.store.read_pixels", counted)
    return read


def test_the_last_few_images_stay_in_memory_or_as_many_as_there_is_room_for(
    make_store, monkeypatch
):
    store = make_store()
    read = _count_reads(monkeypatch)
    for index in (0, 1, 2, 3, 0, 4, 0, 1):  # the fifth image lets the second go
        store.image(index)
    assert read == [store.images[i].key for i in (0, 1, 2, 3, 4, 1)]

    read.clear()
    store.keep_images()
    for index in [*range(12), *range(12)]:
        store.image(index)
    assert read == [image.key for image in store.images]

    read.clear()
    monkeypatch.setattr("gastritis_gan.store.store._MOST_KEPT_BYTES", 6 * 64 * 64)
    store.keep_images()
    for index in [*range(7), 1, 0]:
        store.image(index)
    assert read == [store.images[i].key for i in (0, 1, 2, 3, 4, 5, 6, 0)]


@pytest.mark.parametrize("bits", [8, 16])
def test_patches_are_windows_of_their_image_averaged_and_scaled(make_store, bits):
    store = make_store(bits=bits)
    indices = np.array([300, 7, 7, 588 - 1])
    patches = read_patches(store, indices, 4)
    assert patches.dtype == np.float32
    assert patches.shape == (4, 4, 4, 1)
    for patch, index in zip(patches, indices, strict=True):
        row, column = store.patch_row[index], store.patch_column[index]
        window = store.image(store.patch_image[index])[
            row : row + 16, column : column + 16
        ]
        means = window.reshape(4, 4, 4, 4).mean(axis=(1, 3))
        expected = means / (2**bits - 1) * 2 - 1
        np.testing.assert_allclose(patch[..., 0], expected, atol=1e-6)


def test_full_resolution_patches_span_the_range_and_never_leave_it(make_store):
    store = make_store()
    patches = read_patches(store, np.arange(588), 16)
    assert (patches.min(), patches.max()) == (-1.0, 1.0)


def test_opening_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a store: it has no store.json"):
        Store.open(tmp_path / "nothing")
    (tmp_path / "store.json").write_text("[]")
    with pytest.raises(InputError, match="does not describe a gastritis-gan store"):
        Store.open(tmp_path)


def _edit(store: Store, **changes: object) -> None:
    path = store.path / "store.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_another_format_version_is_named(make_store):
    store = make_store()
    for version in (5, 7, None):
        _edit(store, format_version=version)
        with pytest.raises(
            InputError,
            match=f"version {version}; this program reads version 6. Prepare the "
            "cohort again",
        ):
            Store.open(store.path)


@pytest.mark.parametrize("bits", [8, 16])
def test_images_are_png_files_without_loss(make_store, bits):
    """Read by scikit-image's reader, hashed as the documentation says."""
    store = make_store(bits=bits)
    assert {len(set(np.unique(store.image(i)))) > 100 for i in range(12)} == {True}
    for index, image in enumerate(store.images):
        pixels = imread(store.path / "images" / f"{image.key}.png")
        assert pixels.dtype == f"uint{bits}"
        np.testing.assert_array_equal(pixels, store.image(index))
        header = np.lib.format.header_data_from_array_1_0(pixels)
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, header)
        digest = hashlib.sha256(file.getvalue() + pixels.tobytes())
        assert digest.hexdigest() == image.sha256


def test_the_hashes_give_the_order_of_the_images(make_store):
    store = make_store()
    lines = (store.path / "images" / "pixels.sha256").read_text().splitlines()
    assert [tuple(line.split("  ")) for line in lines] == [
        (image.sha256, image.key) for image in store.images
    ]
    assert lines == sorted(lines)


def test_the_split_hash_is_what_the_documentation_says(make_store):
    store = make_store()
    metadata = json.loads((store.path / "store.json").read_text())
    lines = (store.path / "images" / "pixels.sha256").read_text().splitlines()
    hash_of = {key: sha256 for sha256, key in map(str.split, lines)}
    patients = {}
    for i in metadata["images"]:
        content = [hash_of[i["key"]], i["label"], i["split"]]
        patients.setdefault(i["patient"], []).append(content)
    rows = sorted(sorted(contents) for contents in patients.values())
    text = json.dumps(rows, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == store.split_hash


def test_what_describes_the_store_cannot_be_searched_for_a_film(make_store):
    """Neither a hash of the pixels, nor an order or a size that follows from them."""
    store = make_store()
    text = (store.path / "store.json").read_text()
    metadata = json.loads(text)
    assert not any(image.sha256 in text for image in store.images)
    keys = [image["key"] for image in metadata["images"]]
    assert keys == sorted(keys) == list(metadata["inputs"])
    assert "seed" not in metadata
    assert not any("patients" in key for key in metadata)


def test_the_representation_names_the_content_and_nobody(make_store):
    store = make_store()
    assert repr(store) == (
        f"<Store {store.path}: 12 images of 6 patients, 588 patches, split "
        f"{store.split_hash[:12]}>"
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_patches_are_read_as_grey_levels(make_store, bits):
    store = make_store(bits=bits)
    patches = store.patch_set("positive", "test")[:3]
    read = Store.open(str(store.path)).read(patches.tolist(), 4)
    assert (read.dtype, read.shape) == (np.uint8, (3, 4, 4, 1))
    for index, image in zip(patches, read[..., 0], strict=True):
        means = store.window(index).reshape(4, 4, 4, 4).mean(axis=(1, 3))
        expected = means / (2**bits - 1) * 255
        assert np.abs(image - expected).max() <= 0.5 + 1e-4
    with pytest.raises(ValueError, match="Received: 17"):
        store.read(patches, 17)


def test_outlines_are_kept(make_store):
    store = make_store()
    for index in range(12):
        np.testing.assert_array_equal(store.outline(index), organ_mask())
    path = store.path / "outlines" / f"{store.images[3].key}.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="is damaged"):
        store.outline(3)
    Image.new("1", (63, 64)).save(path)
    with pytest.raises(InputError, match="size is not its image's"):
        store.outline(3)


def test_damage_is_noticed(make_store):
    store = make_store()
    document = json.loads((store.path / "store.json").read_text())
    table = store.path / "patches.npz"
    image = store.path / "images" / f"{store.images[4].key}.png"
    whole_table, whole_image = table.read_bytes(), image.read_bytes()

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=f"is damaged.*{match}"):
            Store.open(store.path)

    flipped = [dict(i) for i in document["images"]]
    flipped[0]["split"] = "test" if flipped[0]["split"] == "train" else "train"
    _edit(store, images=flipped)
    refused("do not give its split_hash")
    hashes = store.path / "images" / "pixels.sha256"
    lines = hashes.read_text().splitlines(keepends=True)
    _edit(store, images=document["images"])
    for damaged, match in (
        (lines[::-1], "not in the order of the hashes"),
        (lines[1:], "does not list the images"),
        ([*lines, "0\n"], "not a hash and a key"),
        (["0" * 64 + lines[0][64:], *lines[1:]], "do not give its split_hash"),
    ):
        hashes.write_text("".join(damaged))
        refused(match)
    hashes.unlink()
    refused("No such file")
    hashes.write_text("".join(lines))
    _edit(store, images=document["images"], bits=None)
    refused("")
    _edit(store, **document)
    image.write_bytes(whole_image[:-1])
    refused("too short")
    image.unlink()
    refused("No such file")
    image.write_bytes(whole_image)
    table.write_bytes(whole_table[:-50])
    refused("BadZipFile")
    columns = {
        name: np.zeros(3, np.int32)
        for name in ("image", "row", "column", "pixels_inside")
    }
    columns["text_boxes"] = np.zeros((0, 5), np.int32)
    np.savez(table, **{**columns, "row": np.full(3, 49, np.int32)})
    refused("leaves its image")
    np.savez(table, **{**columns, "image": np.array([0, 12, 12], np.int32)})
    refused("order of the images")
    np.savez(table, **{**columns, "row": np.zeros(2, np.int32)})
    refused("differ in length")
    np.savez(table, **{**columns, "row": np.array([None] * 3, object)})
    refused("not an array of its size")
    for boxes, match in (
        ([[0, 1, 2, 3]], "not int32 rows of five"),
        ([[12, 0, 0, 9, 9]], "an image that is not there"),
        ([[-1, 0, 0, 9, 9]], "an image that is not there"),
    ):
        np.savez(table, **{**columns, "text_boxes": np.array(boxes, np.int32)})
        refused(match)
    table.write_bytes(whole_table)
    assert Store.open(store.path).images == store.images


def test_an_image_of_another_kind_is_refused_when_it_is_read(make_store):
    store = make_store()
    path = store.path / "images" / f"{store.images[2].key}.png"
    whole = bytearray(path.read_bytes())

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=f"is damaged .*{match}"):
            Store.open(store.path).image(2)

    Image.new("L", (64, 63)).save(path)
    refused(r"\(63, 64\) pixels instead of \(64, 64\)")
    Image.new("RGB", (64, 64)).save(path)
    refused("hash")
    Image.new("I;16", (64, 64)).save(path)
    refused("hash")
    other = store.path / "images" / f"{store.images[3].key}.png"
    shutil.copy(other, path)
    refused("hash")
    Image.new("L", (64, 64)).save(path, "TIFF")
    with pytest.raises(InputError, match="is damaged"):
        Store.open(store.path)
    whole[len(whole) // 2] ^= 1  # a bit flips on the disk
    path.write_bytes(whole)
    refused("")


_PREPARED_WITH = {
    "cohort": CohortConfig(positive="dense", negative="fatty"),
    "patches": GEOMETRY,
    "split": SplitConfig(
        train_positive_patients=2,
        train_negative_patients=2,
        validation_positive_patients=1,
        validation_negative_patients=1,
    ),
}


def _check(store, section="split", **changes):
    sections = {
        **_PREPARED_WITH,
        section: dataclasses.replace(_PREPARED_WITH[section], **changes),
    }
    check_store_fits(store, **sections, config_name="my.yaml")


def test_the_config_that_prepared_the_store_fits(make_store):
    store = make_store(validation=1)
    _check(store)
    _check(store, seed=17)  # a store does not hold it


def test_a_store_states_what_its_images_show(make_cohort, make_store):
    cohort = make_cohort()
    plain = make_store("a", cohort=cohort)
    assert plain.subject == {"organ": "", "view": "", "modality": ""}
    stated = {"organ": "breast", "modality": "MG"}
    store = make_store("b", cohort=cohort, validation=1, **stated)
    assert store.subject == {"organ": "breast", "view": "", "modality": "MG"}
    path = store.path / "store.json"
    document = json.loads(path.read_text())
    for key in store.subject:  # a store of before the keys
        del document[key]
    path.write_text(json.dumps(document))
    _check(Store.open(store.path), "cohort", organ="stomach")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("cohort", "positive", "denser"),
        ("cohort", "negative", "fattier"),
        ("cohort", "bits", 16),
        ("cohort", "organ", "stomach"),
        ("cohort", "view", "AP"),
        ("cohort", "modality", "RF"),
        ("patches", "stride", 12),
        ("patches", "exclude_text", True),
        ("split", "train_positive_patients", 3),
        ("split", "train_negative_patients", 3),
        ("split", "validation_positive_patients", 0),
        ("split", "validation_negative_patients", 0),
    ],
)
def test_another_config_is_refused(make_store, section, key, value):
    store = make_store(validation=1)
    with pytest.raises(
        InputError,
        match=f"my.yaml: `{section}.{key}` is {value}, but .*store was prepared with",
    ):
        _check(store, section, **{key: value})
