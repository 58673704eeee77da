from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gastritis_gan.errors import InputError
from gastritis_gan.store.burned_in_text import load_detector
from gastritis_gan.store.inspect import contact_sheets, count, inspect_store
from gastritis_gan.store.patches import PatchGeometry
from tests.helpers.cohorts import MARKER, organ_mask

ORANGE, BLUE = (213, 94, 0), (0, 114, 178)
YELLOW, BLACK = (240, 228, 66), (0, 0, 0)
GREEN = (0, 255, 150)


def kinds_by_hand():
    """The 7 x 7 windows of the disc, by looking at every pixel."""
    mask = organ_mask()
    kinds = []
    for row in range(0, 49, 8):
        for column in range(0, 49, 8):
            window = mask[row : row + 16, column : column + 16]
            every, some = window.all(), window.any()
            kinds.append("inside" if every else "boundary" if some else "outside")
    return kinds


def test_counts_are_those_of_a_loop(make_store):
    store = make_store()
    kinds = kinds_by_hand()
    per_image = {kind: kinds.count(kind) for kind in ("inside", "outside", "boundary")}
    assert min(per_image.values()) > 0
    counts = count(store)
    assert len(counts["images"]) == 12
    for image in counts["images"]:
        assert {kind: image[kind] for kind in per_image} == per_image
        assert image["unknown"] == 0
    assert len(counts["patients"]) == 6
    for patient in counts["patients"]:
        assert patient["images"] == 2
        assert {k: patient[k] for k in per_image} == {
            k: 2 * n for k, n in per_image.items()
        }
    rows = {
        (r["set"], r["split"]): (r["patients"], r["images"], r["patches"])
        for r in counts["patch_sets"]
    }
    inside, outside = per_image["inside"], per_image["outside"]
    assert rows == {  # of three patients a class two train
        ("positive", "train"): (2, 4, 4 * inside),
        ("positive", "test"): (1, 2, 2 * inside),
        ("negative", "train"): (2, 4, 4 * inside),
        ("negative", "test"): (1, 2, 2 * inside),
        ("outside", "train"): (4, 8, 8 * outside),
        ("outside", "test"): (2, 4, 4 * outside),
    }
    assert [(r["patches"], r["paper_patches"]) for r in counts["paper"]] == [
        (4 * inside, 45_127),
        (4 * inside, 42_785),
        (8 * outside, 48_385),
    ]


def blended(colour, grey):
    return np.array(colour) * 0.4 + grey * 0.6


def test_sheets_colour_the_centre_of_every_patch_by_its_kind(make_store):
    store = make_store()
    mask = organ_mask()
    sheets = {name: np.asarray(sheet) for name, sheet, _ in contact_sheets(store)}
    assert sorted(sheets) == [
        f"sheet_{split}_{label}_001.png"
        for split in ("test", "train")
        for label in ("negative", "positive")
    ]
    for split in ("train", "test"):
        for label, colour in (("positive", ORANGE), ("negative", BLUE)):
            sheet = sheets[f"sheet_{split}_{label}_001.png"].astype(float)
            index = next(
                number
                for number, image in enumerate(store.images)
                if (image.split, image.label) == (split, label)
            )
            # The first picture lies at (8, 30), its overlay 284 pixels to the right.
            plain, overlay = sheet[30:310, 8:288], sheet[30:310, 292:572]
            colours = {"inside": colour, "outside": YELLOW, "boundary": BLACK}
            scale = 280 / 64
            for number, kind in enumerate(kinds_by_hand()):
                y = int((number // 7 * 8 + 8 + 1) * scale)
                x = int((number % 7 * 8 + 8 + 1) * scale)
                if tuple(plain[y, x]) != GREEN:
                    expected = blended(colours[kind], plain[y, x])
                    np.testing.assert_allclose(overlay[y, x], expected, atol=1.01)
            corner = overlay[1, 1]  # no patch has its centre here
            np.testing.assert_array_equal(corner, plain[1, 1])
            # Plain pixels are those of the image, but for the outline.
            image = store.image(index)
            points = [(r, c) for r in range(0, 64, 5) for c in range(0, 64, 5)]
            shown = [plain[int((r + 0.5) * scale), int((c + 0.5) * scale)]
                     for r, c in points]  # fmt: skip
            for (r, c), found in zip(points, shown, strict=True):
                assert tuple(found) == GREEN or (found == image[r, c]).all()
            is_edge = (plain == GREEN).all(axis=2)
            rows, columns = np.nonzero(is_edge)
            radius = np.hypot(rows + 0.5 - 140, columns + 0.5 - 140) / scale
            assert (np.abs(radius - 20) < 1.5).all()
            assert rows.size > 2 * np.pi * 18 * scale * 0.7
            assert mask.sum() > 0


def test_a_store_without_outlines_is_drawn_too(make_store):
    import shutil

    store = make_store(bits=16)
    shutil.rmtree(store.path / "outlines")
    _, sheet, _ = next(contact_sheets(store))
    assert not (np.asarray(sheet)[30:] == GREEN).all(axis=2).any()


def test_a_sheet_of_patients_says_so_on_itself(make_store):
    store = make_store()
    _, sheet, _ = next(contact_sheets(store))
    legend = np.asarray(sheet)[:30].astype(int)
    red = (legend[..., 0] > legend[..., 1] + 100) & (legend[..., 1] == legend[..., 2])
    assert red[:, :300].any()  # the first words
    store.is_synthetic = True
    _, sheet, _ = next(contact_sheets(store))
    assert not (np.asarray(sheet)[:30, :8] != 255).any()
    legend = np.asarray(sheet)[:30].astype(int)
    assert not ((legend == (170, 0, 0)).all(axis=2)).any()


def test_many_images_are_spread_over_sheets(make_store, make_cohort):
    store = make_store(cohort=make_cohort(patients=14))
    found = [(name, num) for name, _, num in contact_sheets(store)]
    assert found == [
        ("sheet_train_positive_001.png", 4),
        ("sheet_train_negative_001.png", 4),
        ("sheet_test_positive_001.png", 8),
        ("sheet_test_positive_002.png", 2),
        ("sheet_test_negative_001.png", 8),
        ("sheet_test_negative_002.png", 2),
    ]


def test_the_folder_is_complete_and_names_nobody(make_store, tmp_path):
    store = make_store()
    folder = tmp_path / "inspection"
    assert inspect_store(store, folder) == []
    assert json.loads((folder / "counts.json").read_text())["duplicates"] == []
    text = (folder / "inspection.md").read_text()
    beside_paper = text.partition("beside the paper's\n\n")[2].splitlines()
    # 8 images train, 4 of each class
    kinds = kinds_by_hand()
    inside, outside = kinds.count("inside"), kinds.count("outside")
    assert [line.split("|")[2:6] for line in beside_paper[2:5]] == [
        [f"{4 * inside:8,} ", "  45,127 ", "      4 ", "            100 "],
        [f"{4 * inside:8,} ", "  42,785 ", "      4 ", "            100 "],
        [f"{8 * outside:8,} ", "  48,385 ", "      8 ", "            200 "],
    ]
    assert len({len(line) for line in beside_paper[:5]}) == 1
    assert "None, exact or near." in text
    for path in folder.glob("*.png"):
        assert f"![{path.name}]({path.name})" in text
        with Image.open(path) as picture:
            assert picture.size == (1160, 30 + 322 * (2 if "train" in path.name else 1))
            assert MARKER not in str(picture.info)
    for path in (folder / "inspection.md", folder / "counts.json"):
        assert MARKER not in path.read_text()
        assert str(tmp_path) not in path.read_text()
    with pytest.raises(InputError, match="exists already"):
        inspect_store(store, folder)


def test_a_store_whose_patches_are_all_boundary_is_counted(make_store):
    store = make_store(geometry=PatchGeometry(patch_size=60, stride=4))
    counts = count(store)
    assert {image["inside"] for image in counts["images"]} == {0}
    assert {image["boundary"] for image in counts["images"]} == {4}


def test_text_is_shown_and_judged(make_store, make_cohort, tmp_path):
    cohort = make_cohort()
    picture = Image.new("L", (64, 64), 40)
    draw = ImageDraw.Draw(picture)
    draw.text((6, 40), "DOE JANE", 255, font=ImageFont.load_default(12))
    picture.save(cohort / MARKER / f"{MARKER}00.png")
    store = make_store(cohort=cohort)
    inspect_store(store, tmp_path / "out")
    images = json.loads((tmp_path / "out" / "counts.json").read_text())["images"]
    key_of = {image["key"]: image["text"] for image in images}
    (key,) = [key for key, text in key_of.items() if text == "text"]
    assert sorted(key_of.values()) == [*["none"] * 11, "text"]
    text = (tmp_path / "out" / "inspection.md").read_text()
    assert "Burned-in text: 1 of 12 images; 0 have lone characters only" in text
    assert f"- text: {key}\n" in text
    orange = 0
    for path in (tmp_path / "out").glob("*.png"):
        pixels = np.asarray(Image.open(path))[30:]  # below the legend
        rows, columns = np.nonzero((pixels == (230, 159, 0)).all(axis=2))
        if rows.size:
            orange += 1
            # The letters lie in 42..51 x 6..57 of 64; a cell is 322 x 576 pixels.
            top, bottom = np.array([rows.min(), rows.max()]) % 322 * 64 / 280
            left = (columns.min() - 8) % 576 * 64 / 280
            assert 34 < top < 44 < 50 < bottom < 60
            assert left < 8
    assert orange == 1


def test_without_the_extra_text_is_not_looked_for(make_store, tmp_path, monkeypatch):
    store = make_store()
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    load_detector.cache_clear()
    inspect_store(store, tmp_path / "out")
    assert "was not looked for" in (tmp_path / "out" / "inspection.md").read_text()
    images = json.loads((tmp_path / "out" / "counts.json").read_text())["images"]
    assert {image["text"] for image in images} == {None}
