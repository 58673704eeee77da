from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from gastritis_gan import progress
from gastritis_gan.cli.main import main
from gastritis_gan.cohort.cohort import CohortError
from gastritis_gan.cohort.image_file import read_image
from gastritis_gan.config import config_from_dict
from gastritis_gan.errors import InputError
from gastritis_gan.store.burned_in_text import load_detector, verdict_on
from gastritis_gan.store.inspect import count, summarize
from gastritis_gan.store.patches import PatchGeometry
from gastritis_gan.store.pseudonym import pseudonym
from gastritis_gan.store.split import SplitConfig, split_patients
from gastritis_gan.store.store import PATCH_SETS, Store, check_store_fits
from tests.helpers.cohorts import MARKER, organ_mask

CONFIG = """
cohort: {positive: dense, negative: fatty}
patches: {patch_size: 16, stride: 8}
split: {train_positive_patients: 2, train_negative_patients: 2}
schedule: {final_resolution: 16}
"""


def _files_of(store) -> dict[str, bytes]:
    return {
        str(path.relative_to(store.path)): path.read_bytes()
        for path in store.path.rglob("*")
        if path.is_file()
    }


def test_pixels_are_stored_without_loss(make_cohort, make_store):
    cohort = make_cohort()
    for bits in (8, 16):
        store = make_store(f"store{bits}", cohort=cohort, bits=bits)
        stored = {store.image(i).tobytes() for i in range(len(store.images))}
        read = {
            read_image(path, bits=bits).pixels.tobytes()
            for path in (cohort / MARKER).glob(f"{MARKER}[0-9]*")
        }
        assert stored == read
        assert len(stored) == 12
        assert store.image(0).dtype == f"uint{bits}"


def test_no_identifier_reaches_the_store_the_log_or_the_progress(
    make_cohort, make_store, caplog, capfd, monkeypatch
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LOG_LINES", 0)
    store = make_store("out", cohort=make_cohort(), workers=2)
    files = _files_of(store)
    assert len(files) == 27  # 12 images, 12 outlines, hashes, patches, store.json
    with zipfile.ZipFile(store.path / "patches.npz") as archive:
        files |= {name: archive.read(name) for name in archive.namelist()}
    for name, content in files.items():
        for encoding in ("utf-8", "utf-16-le"):
            assert MARKER.lower().encode(encoding) not in content.lower(), name
        assert MARKER not in name
        assert b"19010203" not in content
    streams = capfd.readouterr()
    assert MARKER not in caplog.text + streams.out + streams.err
    assert "image/s" in streams.err
    assert not {"\r", "\x1b"} & set(streams.err)  # a line for each state


def test_processes_and_repetition_change_nothing(make_cohort, make_store):
    cohort = make_cohort()
    one = make_store("store", cohort=cohort, workers=1)
    files = _files_of(one)
    one.path.rename(one.path.with_name("elsewhere"))
    again = make_store("store", cohort=cohort, workers=2)  # finds the key again
    assert _files_of(again) == files


def test_only_the_pseudonyms_depend_on_the_key(make_cohort, make_store):
    cohort = make_cohort()
    one, other = make_store("a", cohort=cohort), make_store("b", cohort=cohort)
    assert not {i.key for i in one.images} & {i.key for i in other.images}
    assert not {i.patient for i in one.images} & {i.patient for i in other.images}
    assert one.split_hash == other.split_hash
    for name in ("label", "split", "sha256", "height"):
        assert [getattr(i, name) for i in one.images] == [
            getattr(i, name) for i in other.images
        ]
    np.testing.assert_array_equal(
        one.patch_set("positive", "train"), other.patch_set("positive", "train")
    )
    np.testing.assert_array_equal(one.patch_coverage, other.patch_coverage)


def test_the_order_of_the_images_is_that_of_their_hashes(make_store):
    store = make_store()
    hashes = [image.sha256 for image in store.images]
    assert hashes == sorted(hashes)


def test_the_order_of_the_rows_changes_nothing(make_cohort, make_store):
    cohort = make_cohort()
    store = make_store("store", cohort=cohort)
    files = _files_of(store)
    head, *rows = (cohort / "cohort.csv").read_text().splitlines()
    (cohort / "cohort.csv").write_text("\n".join([head, *rows[::-1]]))
    assert _files_of(make_store("store", cohort=cohort)) == files  # only compared
    store.path.rename(store.path.with_name("elsewhere"))
    assert _files_of(make_store("store", cohort=cohort)) == files


def test_the_times_of_the_files_follow_the_pseudonyms(make_store):
    store = make_store()
    paths = sorted((store.path / "images").glob("*.png"))
    times = [path.stat().st_mtime_ns for path in paths]
    assert times == sorted(times)


def test_copies_of_an_image_leave_the_patches_independent_of_the_key(
    make_cohort, make_store
):
    """Two patients share an image; one more has an outline of her own for it."""
    cohort = make_cohort()
    folder = cohort / MARKER
    for name in (f"{MARKER}03.png", f"{MARKER}04.tif"):  # both of patient 1
        shutil.copy(folder / f"{MARKER}00.png", folder / name)
    Image.fromarray(organ_mask()[::-1].astype(np.uint8)).save(folder / "other.png")
    lines = (cohort / "cohort.csv").read_text().splitlines()
    lines[5] = lines[5].rpartition("/")[0] + "/other.png"
    lines[5] = lines[5].replace(f"{MARKER}2,", f"{MARKER}1,")
    (cohort / "cohort.csv").write_text("\n".join(lines))
    stores = [make_store(f"store{i}", cohort=cohort) for i in range(5)]
    numbered = []
    for store in stores:
        first = {}
        numbered.append(
            [
                (i.sha256, i.label, i.split, first.setdefault(i.patient, len(first)))
                for i in store.images
            ]
        )
        np.testing.assert_array_equal(store.patch_coverage, stores[0].patch_coverage)
    assert numbered == numbered[:1] * 5
    assert len({store.split_hash for store in stores}) == 1
    assert len({image.sha256 for image in stores[0].images}) == 10


def test_patients_never_straddle_the_split(make_store):
    store = make_store()
    splits: dict[str, set[str]] = {}
    for image in store.images:
        splits.setdefault(image.patient, set()).add(image.split)
    assert all(len(found) == 1 for found in splits.values())
    assert (
        sorted(min(found) for found in splits.values()) == ["test"] * 2 + ["train"] * 4
    )


def test_validation_patients_are_apart_and_the_test_patients_stay(
    make_cohort, make_store
):
    cohort = make_cohort()
    without = make_store("without", cohort=cohort)
    store = make_store("with", cohort=cohort, validation=1)
    assert store.splits == ("train", "validation", "test")
    assert store.split_hash != without.split_hash
    assert [i.sha256 for i in store.images] == [i.sha256 for i in without.images]
    sides = [
        (a.split, b.split) for a, b in zip(store.images, without.images, strict=True)
    ]
    assert sorted(sides) == (
        [("test", "test")] * 4
        + [("train", "train")] * 4
        + [("validation", "train")] * 4
    )
    for name in PATCH_SETS:
        apart = [store.patch_set(name, split) for split in ("train", "validation")]
        assert all(part.size for part in apart)
        both = np.sort(np.concatenate(apart))
        np.testing.assert_array_equal(both, without.patch_set(name, "train"))
    rows = {
        (row["set"], row["split"]): (row["patients"], row["images"])
        for row in count(store)["patch_sets"]
    }
    assert rows[("positive", "validation")] == (1, 2)
    assert rows[("outside", "validation")] == (2, 4)


def test_the_patch_table_is_that_of_a_loop_over_the_outline(make_store):
    store = make_store()
    mask = organ_mask()
    expected = [
        (
            number,
            row,
            column,
            np.float32(mask[row : row + 16, column : column + 16].mean()),
        )
        for number in range(12)
        for row in range(0, 49, 8)
        for column in range(0, 49, 8)
    ]
    table = zip(
        store.patch_image,
        store.patch_row,
        store.patch_column,
        store.patch_coverage,
        strict=True,
    )
    assert list(table) == expected


def test_images_without_an_inside_patch_are_named_by_their_row(make_store, caplog):
    make_store(geometry=PatchGeometry(patch_size=60, stride=4))
    _, message = caplog.messages[:2]
    assert message.startswith("12 of 12 images have no patch inside the organ")
    assert message.endswith("Rows of the cohort file: 2-13")


def test_images_with_burned_in_text_are_named_by_their_row(
    make_cohort, make_store, caplog
):
    cohort = make_cohort()
    for number, stated in ((2, "YES"), (5, "NO"), (8, "MAYBE")):
        path = cohort / MARKER / f"{MARKER}{number:02}.dcm"
        dataset = pydicom.dcmread(path)
        dataset.BurnedInAnnotation = stated
        dataset.save_as(path)
    store = make_store(cohort=cohort)
    # Image 0 is in row 2; the PNG and TIFF files, 11 and 8 state nothing.
    assert "1 of 12 images state that text is burned into the pixels" in caplog.text
    assert caplog.text.count("Rows of the cohort file: 4\n") == 1
    assert "Rows of the cohort file: 2-3, 5-6, 8-13\n" in caplog.text
    stated = sorted(image.burned_in for image in store.images)
    assert stated == ["no", *["not stated"] * 10, "yes"]
    assert sorted(i["burned_in"] for i in count(store)["images"]) == stated


def test_test_images_without_an_outline_are_counted(make_cohort, make_store, caplog):
    cohort = make_cohort()
    splits = split_patients(
        [
            (p, "positive" if k == "dense" else "negative")
            for p, k in _patients_of(cohort)
        ],
        SplitConfig(train_positive_patients=2, train_negative_patients=2, seed=5),
    )
    patient = min(p for p, split in splits.items() if split == "test")
    _drop_outlines(cohort, {patient})
    make_store(cohort=cohort)
    first = 2 + 2 * int(patient.removeprefix(MARKER))
    assert "2 of 12 images have no outline" in caplog.text
    assert f"Rows of the cohort file: {first}-{first + 1}\n" in caplog.text


def test_patches_over_text_belong_to_no_set(make_cohort, make_store, caplog):
    cohort = make_cohort()
    _write_on_the_first_image(cohort, "DOE JANE", (4, 20), size=12)
    geometry = PatchGeometry(patch_size=16, stride=8, exclude_text=True)
    store = make_store(cohort=cohort, geometry=geometry)
    # Row 2: image 0 is a PNG file. Nothing is seen in the other images' noise.
    assert "1 of 12 images have text in the pixels" in caplog.text
    assert "left out. Rows of the cohort file: 2\n" in caplog.text
    plain = make_store("plain", cohort=cohort)
    assert not plain.patch_excluded.any()
    excluded = store.patch_excluded
    (image,) = set(store.patch_image[excluded])
    assert verdict_on(store.text_boxes(image)) == "text"
    assert {index for index in range(12) if len(store.text_boxes(index))} == {image}
    for patch in np.flatnonzero(store.patch_image == image):
        row, column = store.patch_row[patch], store.patch_column[patch]
        # The letters lie in 4..59 x 22..31; the box has a margin of some pixels.
        covers = row < 32 and row + 16 > 22 and column < 58 and column + 16 > 5
        apart = row >= 40 or row + 16 <= 14
        assert excluded[patch] or not covers
        assert not (excluded[patch] and apart)
    for name, inside in (("positive", True), ("negative", True), ("outside", False)):
        for split in store.splits:
            whole = plain.patch_set(name, split)
            np.testing.assert_array_equal(
                store.patch_set(name, split), whole[~excluded[whole]]
            )
            assert inside or whole.size
    assert (plain.patch_inside & excluded).any()
    counted = sum(image["excluded"] for image in count(store)["images"])
    assert counted == excluded.sum() > 0
    assert f"{excluded.sum():,} of 588" in summarize(store)
    assert "text: 1 of 12 images; 0 have" in summarize(store)


def test_text_is_looked_for_only_with_the_extra(
    make_cohort, make_store, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    load_detector.cache_clear()
    geometry = PatchGeometry(patch_size=16, stride=8, exclude_text=True)
    with pytest.raises(InputError, match=r"pip install 'gastritis-gan\[text\]'"):
        make_store("refused", cohort=make_cohort(), geometry=geometry)
    assert not list(tmp_path.glob("refused*"))


def _write_on_the_first_image(cohort, text, place, *, size):
    path = cohort / MARKER / f"{MARKER}00.png"
    picture = Image.new("L", (64, 64), 40)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text(place, text, 255, font=font)
    picture.save(path)


def test_the_key_is_thrown_away_on_request(make_cohort, make_store, tmp_path):
    cohort = make_cohort()
    kept = make_store("kept", cohort=cohort)
    store = make_store("store", cohort=cohort, discard_key=True)
    assert not (tmp_path / "store.key").exists()
    assert store.split_hash == kept.split_hash
    assert make_store("kept", cohort=cohort, discard_key=True).images == kept.images
    assert not (tmp_path / "kept.key").exists()
    with pytest.raises(InputError, match="exists already"):
        make_store("store", cohort=cohort)


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description '
    'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/'
    'trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
)


def _mark_as_synthetic(path: Path) -> None:
    if path.suffix == ".dcm":
        dataset = pydicom.dcmread(path)
        dataset.SyntheticData = "YES"
        dataset.save_as(path)
        return
    with Image.open(path) as image:
        image.load()
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP, zip=True)
    if path.suffix == ".tif":
        image.save(path, tiffinfo={700: XMP.encode()})
    else:
        image.save(path, pnginfo=text)


def _move_text_to_the_end(path: Path) -> None:
    """PNG 5.6: text chunks may follow the pixels."""
    content = path.read_bytes()
    chunks, at = [], 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big") + 12
        chunks.append(content[at : at + length])
        at += length
    chunks.sort(key=lambda chunk: (chunk[4:8] == b"IEND", chunk[4:8] == b"iTXt"))
    path.write_bytes(content[:8] + b"".join(chunks))


def _images_of(cohort: Path) -> list[Path]:
    return sorted((cohort / MARKER).glob(f"{MARKER}[0-9]*"))


def test_a_partly_synthetic_cohort_is_refused_with_its_rows(
    make_cohort, make_store, tmp_path
):
    cohort = make_cohort()
    for number in (3, 6, 7, 8):  # two PNG, a TIFF and a DICOM file
        _mark_as_synthetic(_images_of(cohort)[number])
    _move_text_to_the_end(_images_of(cohort)[3])
    with pytest.raises(CohortError) as refusal:
        make_store(cohort=cohort)
    assert refusal.value.public.startswith("4 of 12 images state that they are synth")
    assert refusal.value.public.endswith("Rows of the cohort file: 5, 8-10.")
    assert f"{MARKER}/{MARKER}07.tif" in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == [cohort.name]


def test_a_wholly_synthetic_cohort_says_so(make_cohort, make_store):
    cohort = make_cohort()
    plain = make_store("plain", cohort=cohort)
    for path in _images_of(cohort):
        _mark_as_synthetic(path)
    store = make_store(cohort=cohort)
    assert (plain.is_synthetic, store.is_synthetic) == (False, True)
    assert store.split_hash == plain.split_hash
    assert "Synthetic: every image states" in summarize(store)
    assert "Synthetic" not in summarize(plain)


def _give_split(cohort: Path, test: set[str]) -> None:
    head, *rows = (cohort / "cohort.csv").read_text().splitlines()
    lines = [f"{head},split"] + [
        f"{row},{'test' if row.split(',')[1] in test else 'train'}" for row in rows
    ]
    (cohort / "cohort.csv").write_text("\n".join(lines))


def test_a_fixed_split_is_that_of_the_cohort_file(make_cohort, tmp_path):
    cohort = make_cohort()
    drawn = tmp_path / "drawn.yaml"
    drawn.write_text(CONFIG)
    given = tmp_path / "given.yaml"
    given.write_text(CONFIG.replace(CONFIG.splitlines()[3], ""))

    def prepare(out: str, config: Path) -> Result:
        arguments = ["prepare", str(cohort), "--config", str(config), "--workers", "1"]
        return CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / out)])

    assert prepare("drawn", drawn).exit_code == 0
    before = Store.open(tmp_path / "drawn")
    assert not before.split_given
    secret = (tmp_path / "drawn.key").read_bytes()
    in_test = {image.patient for image in before.images if image.split == "test"}
    test = {
        patient
        for patient, _ in _patients_of(cohort)
        if pseudonym(secret, "patient", patient) in in_test
    }
    _give_split(cohort, test)

    refused = prepare("given", drawn)
    assert refused.exit_code == 2
    assert "`split.train_positive_patients` is 2, but the cohort file" in refused.output
    assert not (tmp_path / "given").exists()
    result = prepare("given", given)
    assert result.exit_code == 0, result.output
    assert "The split was given by the cohort file" in result.output
    store = Store.open(tmp_path / "given")
    assert store.split_given
    assert store.split_hash == before.split_hash  # the same patients, as it happens
    fits = config_from_dict(yaml.safe_load(given.read_text()))
    sections = {"cohort": fits.cohort, "patches": fits.patches}
    check_store_fits(store, **sections, split=fits.split, config_name="given.yaml")
    numbers = SplitConfig(train_positive_patients=2, train_negative_patients=2)
    with pytest.raises(
        InputError, match=r"^my\.yaml: `split\.train_positive_patients`"
    ):
        check_store_fits(store, **sections, split=numbers, config_name="my.yaml")
    assert prepare("given", given).exit_code == 0  # compared, and unchanged
    again = prepare("drawn", given)  # a drawn split does not become a given one
    assert again.exit_code == 2
    assert "other images, patients, labels or split" in again.output


def _drop_outlines(cohort: Path, patients: set[str]) -> None:
    path = cohort / "cohort.csv"
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        image, patient, label, _ = line.split(",")
        if patient in patients:
            lines[number] = f"{image},{patient},{label},"
    path.write_text("\n".join(lines))


def _patients_of(cohort: Path) -> list[tuple[str, str]]:
    lines = (cohort / "cohort.csv").read_text().splitlines()[1:]
    return [(line.split(",")[1], line.split(",")[2]) for line in lines]


def test_only_test_images_can_go_without_an_outline(make_cohort, make_store, tmp_path):
    cohort = make_cohort()
    splits = split_patients(
        [
            (patient, "positive" if label == "dense" else "negative")
            for patient, label in _patients_of(cohort)
        ],
        SplitConfig(train_positive_patients=2, train_negative_patients=2, seed=5),
    )
    test = {patient for patient, split in splits.items() if split == "test"}
    _drop_outlines(cohort, test)
    store = make_store(cohort=cohort)
    for index, image in enumerate(store.images):
        patches = store.patches_of_image(index, inside_only=False)
        assert patches.size == 49
        is_test = image.split == "test"
        assert np.isnan(store.patch_coverage[patches]).all() == is_test
        assert (store.outline(index) is None) == is_test
        inside = store.patches_of_image(index, inside_only=True)
        assert (inside.size == 0) == is_test
    for name in PATCH_SETS:
        assert store.patch_set(name, "test").size == 0
        assert store.patch_set(name, "train").size > 0
    counts = count(store)["images"]
    assert [(i["unknown"], i["inside"]) for i in counts if i["split"] == "test"] == [
        (49, 0)
    ] * 4
    names = [path.name for path in tmp_path.iterdir()]
    _drop_outlines(cohort, {min(set(splits) - test)})
    with pytest.raises(InputError, match=r"has no outline but is assigned to training"):
        make_store("other", cohort=cohort)
    assert [path.name for path in tmp_path.iterdir()] == names


def _break_nothing(folder: Path) -> None:
    pass


def _truncate_an_image(folder: Path, number: int = 2) -> None:
    path = folder / MARKER / f"{MARKER}{number:02}.dcm"
    path.write_bytes(path.read_bytes()[:-100])


def _shrink_the_outline(folder: Path) -> None:
    path = folder / MARKER / f"{MARKER}.png"
    Image.open(path).resize((32, 32)).save(path)


@pytest.mark.parametrize(
    ("damage", "patch_size", "message"),
    [
        (_truncate_an_image, 16, r"02.dcm: \(7FE0,0010\) PixelData"),
        (_shrink_the_outline, 16, "outline is 32 x 32 pixels"),
        (_break_nothing, 65, r"64 x 64 pixels .* smaller than a patch"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_refusal_leaves_nothing_behind(
    make_cohort, make_store, tmp_path, damage, patch_size, message, workers
):
    cohort = make_cohort()
    damage(cohort)
    with pytest.raises(InputError, match=message):
        make_store(
            cohort=cohort,
            workers=workers,
            geometry=PatchGeometry(patch_size=patch_size),
        )
    assert [path.name for path in tmp_path.iterdir()] == [cohort.name]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_bad_row_of_the_file_is_named_whatever_the_key(
    make_cohort, make_store, tmp_path, workers
):
    cohort = make_cohort()
    for number in (5, 8, 11):
        _truncate_an_image(cohort, number)
    for key in range(4):  # their order is another with each
        (tmp_path / "store.key").write_bytes(bytes([key]) * 32)
        with pytest.raises(CohortError) as refusal:
            make_store(cohort=cohort, workers=workers)
        assert refusal.value.public.startswith("row 7 of the cohort file, image: ")


def test_a_full_disk_leaves_nothing_behind(make_cohort, tmp_path, monkeypatch):
    cohort = make_cohort()
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    synced = []

    def full_disk(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    arguments = ["prepare", str(cohort), "--config", str(config), "--workers", "1"]
    result = CliRunner().invoke(main, [*arguments, "--out", str(tmp_path / "store")])
    assert result.exit_code == 2
    assert "the disk is full" in result.output
    assert {path.name for path in tmp_path.iterdir()} == {cohort.name, "config.yaml"}


def test_the_command_reports_the_sets(make_cohort, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    arguments = ["prepare", str(make_cohort()), "--config", str(config)]
    arguments += ["--out", str(tmp_path / "stores" / "x"), "--workers", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "stores" / "x" / "store.json").read_text())
    assert f"(split {document['split_hash'][:12]})" in result.output
    # 4 images a class train; of 49 windows, those with all corners within 20 pixels of
    # the centre: counted by hand on the grid of offsets -31.5, -23.5, ... 16.5
    inside = sum(
        all((y + dy) ** 2 + (x + dx) ** 2 <= 20**2 for dy in (0, 15) for dx in (0, 15))
        for y in np.arange(-31.5, 17, 8)
        for x in np.arange(-31.5, 17, 8)
    )
    lines = [line.replace("|", "").split() for line in result.output.splitlines()]
    assert ["positive", "dense", "train", "2", "4", str(4 * inside)] in lines
    assert ["negative", "fatty", "test", "1", "2", str(2 * inside)] in lines
    assert f"Store: {tmp_path / 'stores' / 'x'}" in result.output
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0
    assert "nothing was done" in again.output
