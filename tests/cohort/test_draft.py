from __future__ import annotations

import csv
import os

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from gastritis_gan.cohort.cohort import read_cohort
from gastritis_gan.cohort.draft import draft_cohort
from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import grey_dataset, save_dicom

PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


def add(path, patient="", **attributes):
    """Writes a DICOM file with an instance id of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    uid = "1.2." + ".".join(str(ord(letter)) for letter in path.stem[-8:])
    attributes = {"SOPInstanceUID": uid, "PatientID": patient, **attributes}
    return save_dicom(path, grey_dataset(PIXELS, **attributes))


def add_mask(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8), 255).save(path)


@pytest.fixture
def export(tmp_path):
    """A PACS export: a folder a patient, the same file names in each."""
    root = tmp_path / "export"
    add(root / "a" / "S1" / "IM1", " P1 ", SOPInstanceUID="1.2.1")
    add(root / "b" / "S1" / "IM1", "P2", SOPInstanceUID="1.2.2")
    add(root / "b" / "S1" / "IM2.dcm", "P2", SOPInstanceUID="1.2.3")
    add(root / "c" / "1.2.840.7", SOPInstanceUID="1.2.4")
    add_mask(root / "a" / "S1" / "IM1.png")
    add_mask(root / "outlines" / "IM2.png")
    add_mask(root / "masks" / "1.2.840.7.png")
    add_mask(root / "masks" / "1.2.840.7.tif")
    return root


def rows_of(draft):
    return {image: (patient, outline) for image, patient, _, outline in draft.rows}


def test_images_patients_and_outlines_are_found(export):
    draft = draft_cohort(export, export / "cohort.csv")
    assert rows_of(draft) == {
        "a/S1/IM1": ("P1", "a/S1/IM1.png"),
        "b/S1/IM1": ("P2", ""),  # a/S1/IM1.png is that of another patient
        "b/S1/IM2.dcm": ("P2", "outlines/IM2.png"),
        "c/1.2.840.7": ("", ""),  # a PNG and a TIFF: which?
    }
    assert draft.ambiguous == 1
    assert {path for path, _ in draft.left_out} == {
        "masks/1.2.840.7.png",
        "masks/1.2.840.7.tif",
    }


def test_what_is_no_single_grey_image_is_left_out_with_the_reason(export):
    colour = grey_dataset(
        np.zeros((8, 24), np.uint8), PhotometricInterpretation="RGB", SamplesPerPixel=3
    )
    colour.Columns, colour.PlanarConfiguration = 8, 0
    save_dicom(export / "colour.dcm", colour)
    add(export / "film.dcm", NumberOfFrames=1)
    add(export / "frames.dcm", NumberOfFrames=10_001)
    add(export / "seg.dcm", SOPClassUID=SegmentationStorage)
    add(export / "copy.dcm", SOPInstanceUID="1.2.3")
    report = grey_dataset(PIXELS, SOPInstanceUID="1.2.9")
    for keyword in ("PixelData", "Rows", "Columns"):
        delattr(report, keyword)
    save_dicom(export / "report.dcm", report)
    (export / "damaged.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\0\0\0XX\xff\xff")
    (export / "notes.txt").write_text("by hand")
    (export / ".DS_Store").write_text("")
    draft = draft_cohort(export, export / "cohort.csv")
    left_out = dict(draft.left_out)
    for name in ("masks/1.2.840.7.png", "masks/1.2.840.7.tif"):
        del left_out[name]
    reason_of_damage = left_out.pop("damaged.dcm")
    assert reason_of_damage in ("damaged DICOM", "DICOM without an image")
    first, second = sorted(["copy.dcm", "b/S1/IM2.dcm"])
    assert left_out.pop(second) == "the same image (SOPInstanceUID) as another"
    assert first in rows_of(draft)
    assert left_out == {
        "colour.dcm": "DICOM in colour",
        "frames.dcm": "DICOM with a number of frames that is not 1 to 10000",
        "seg.dcm": "DICOM segmentation: enter it by hand if it is an outline",
        "report.dcm": "DICOM without an image",
        "notes.txt": "not DICOM, and not the outline of one image",
    } | (
        {"outlines/IM2.png": left_out["outlines/IM2.png"]}
        if second != "copy.dcm"
        else {}
    )
    assert "film.dcm" in rows_of(draft)


def test_every_frame_of_a_file_gets_a_row(export):
    frames = grey_dataset(PIXELS, SOPInstanceUID="1.2.7", PatientID="P7")
    frames.NumberOfFrames = 3
    frames.PixelData = frames.PixelData * 3
    save_dicom(export / "run.dcm", frames)
    add_mask(export / "run#2.png")
    rows = rows_of(draft_cohort(export, export / "cohort.csv"))
    assert {name: row for name, row in rows.items() if "run" in name} == {
        "run.dcm#1": ("P7", ""),
        "run.dcm#2": ("P7", "run#2.png"),
        "run.dcm#3": ("P7", ""),
    }
    read_outline(export / "run#2.png", shape=(8, 8))


def test_paths_are_relative_to_the_cohort_file(export, tmp_path):
    (tmp_path / "lists").mkdir()
    draft = draft_cohort(export, tmp_path / "lists" / "cohort.csv")
    assert ("../export/a/S1/IM1", "P1", "", "../export/a/S1/IM1.png") in draft.rows


def test_a_draft_that_is_filled_in_is_a_cohort(export):
    path = export / "cohort.csv"
    draft_cohort(export, path)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["label"] for row in rows} == {""}
    with pytest.raises(InputError, match=r"row 2: the column `label` is empty"):
        read_cohort(path, positive="sick", negative="healthy")
    for row in rows:
        row["label"] = "sick"
        row["patient"] = row["patient"] or "P3"
        row["outline"] = row["outline"] or "outlines/IM2.png"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    cohort = read_cohort(path, positive="sick", negative="healthy")
    assert sorted(image.patient for image in cohort.images) == ["P1", "P2", "P2", "P3"]


def test_nothing_is_overwritten(export):
    path = export / "cohort.csv"
    path.write_text("edited for hours")
    with pytest.raises(InputError, match="exists already"):
        draft_cohort(export, path)
    assert path.read_text() == "edited for hours"
    path.unlink()
    (export / "cohort_left_out.csv").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        draft_cohort(export, path)
    assert not path.exists()


def test_names_that_no_csv_can_hold_are_left_out(export):
    name = os.fsdecode(b"bad\xff.dcm")
    try:
        add(export / "bad.dcm", SOPInstanceUID="1.2.8").rename(export / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    path = export / "cohort.csv"
    draft_cohort(export, path)
    assert "bad\\udcff.dcm" in (export / "cohort_left_out.csv").read_text()
    assert "bad" not in path.read_text(encoding="utf-8")


def test_a_folder_without_an_image_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        draft_cohort(tmp_path / "none", tmp_path / "cohort.csv")
    add_mask(tmp_path / "one.png")
    with pytest.raises(InputError, match=r"holds no DICOM file, .* \(files in it: 1\)"):
        draft_cohort(tmp_path, tmp_path / "cohort.csv")


def test_header_values_of_any_kind_do_not_stop_the_draft(export):
    empty = Dataset()
    empty.update(grey_dataset(PIXELS, SOPInstanceUID="1.2.7", PatientID=None))
    empty.file_meta = grey_dataset(PIXELS).file_meta
    empty.NumberOfFrames = None
    save_dicom(export / "empty.dcm", empty)
    draft = draft_cohort(export, export / "cohort.csv")
    assert rows_of(draft)["empty.dcm"] == ("", "")


def add_film(path, seed=0, mode="L"):
    """A PNG or TIFF film of many grey levels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(grey).convert(mode).save(path)


def test_a_folder_of_png_and_tiff_files_with_masks(tmp_path):
    root = tmp_path / "films"
    add_film(root / "images" / "001.png")
    add_film(root / "images" / "002.tif")
    add_mask(root / "masks" / "001.png")
    add_mask(root / "masks" / "002.png")
    add_film(root / "x" / "003.png")
    add_mask(root / "x" / "003_mask.png")
    add_film(root / "x" / "004.TIFF")
    add_film(root / "x" / "004-Seg.png")  # shades, but called a segmentation
    add_film(root / "y" / "005.png")
    (root / "y" / "005.json").write_text("{}")
    add_film(root / "y" / "006.png")
    add_film(root / "y" / "007.png", mode="RGBA")
    Image.fromarray(np.dstack([PIXELS, PIXELS, 255 - PIXELS])).save(root / "logo.png")
    draft = draft_cohort(root, root / "cohort.csv")
    assert rows_of(draft) == {
        "images/001.png": ("", "masks/001.png"),
        "images/002.tif": ("", "masks/002.png"),
        "x/003.png": ("", "x/003_mask.png"),
        "x/004.TIFF": ("", "x/004-Seg.png"),
        "y/005.png": ("", "y/005.json"),
        "y/006.png": ("", ""),
        "y/007.png": ("", ""),
    }
    assert [path for path, _ in draft.left_out] == ["logo.png"]
    assert "is in colour" in draft.left_out[0][1]


def test_a_mask_is_that_of_the_nearest_image_of_its_name(tmp_path):
    """A folder a patient, with the same names in each."""
    root = tmp_path / "films"
    for patient in "abc":
        add_film(root / patient / "images" / "1.png")
    for patient in "ab":
        add_mask(root / patient / "masks" / "1.png")
    draft = draft_cohort(root, root / "cohort.csv")
    assert rows_of(draft) == {
        "a/images/1.png": ("", "a/masks/1.png"),
        "b/images/1.png": ("", "b/masks/1.png"),
        "c/images/1.png": ("", ""),  # the masks above are those of others
    }


def labelled(draft):
    cells = [dict(zip(draft.columns, row, strict=True)) for row in draft.rows]
    return {row.pop("image"): row for row in cells}


@pytest.fixture
def films(tmp_path):
    root = tmp_path / "films"
    for name in ("001", "002", "003"):
        add_film(root / f"{name}.png")
    add(root / "d" / "004.dcm", "P4", SOPInstanceUID="1.2.4")
    add(root / "d" / "005.dcm", "P4", SOPInstanceUID="1.2.5")
    return root


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["001.png", "002.png", "d/004.dcm", "d\\005.dcm"], "path"),
        (["001.png", "002.png", "004.dcm", "005.dcm"], "path"),
        (["films/001.png", "../films/002.png", "/x/y", "./d/005.dcm"], "path"),
        (["001", "002", "004", "005"], "stem of the name"),
        (["9", "8", "1.2.4", "1.2.5"], "SOPInstanceUID"),
        (["9", "8", "P4", "Ｐ４"], "PatientID"),  # noqa: RUF001 - of full width
    ],
)
def test_a_table_of_labels_is_joined(films, tmp_path, values, kind):
    table = tmp_path / "study.csv"
    lines = ["Case;LABEL;patient;remark"]
    labels = "abcc" if kind == "PatientID" else "abcd"
    for value, label in zip(values, labels, strict=True):
        lines.append(f"{value};{label};;seen")
    table.write_text("\n".join(lines), encoding="utf-16")
    draft = draft_cohort(films, films / "cohort.csv", labels=table, key="case")
    found = {name: row["label"] for name, row in labelled(draft).items()}
    by_file = {"001.png": "a", "002.png": "b", "d/004.dcm": "c", "d/005.dcm": "d"}
    if "/x/y" in values:
        del by_file["d/004.dcm"]
    if kind == "PatientID":
        by_file = {"d/004.dcm": "c", "d/005.dcm": "c"}
    if kind == "SOPInstanceUID":
        by_file = {"d/004.dcm": "c", "d/005.dcm": "d"}
    assert found == dict.fromkeys(found, "") | by_file
    assert len(found) == 5
    assert f"names {len(by_file)} of 5 images by {kind}" in draft.summary
    assert f"label    {_count(5 - len(by_file))}: fill" in draft.summary


def _count(number):
    return f"{number} image" + "s" * (number != 1)


def test_a_table_may_hold_patients_and_the_split(films, tmp_path):
    table = tmp_path / "study.csv"
    table.write_text("id,label,patient,split\n001,a,Q1,train\n004,b,Q4,test\n")
    draft = draft_cohort(films, films / "cohort.csv", labels=table, key="id")
    assert draft.columns == ("image", "patient", "label", "outline", "split")
    rows = labelled(draft)
    assert rows["001.png"] == {
        "patient": "Q1",
        "label": "a",
        "outline": "",
        "split": "train",
    }
    assert rows["d/004.dcm"]["patient"] == "Q4"  # the table goes before the header
    assert rows["d/005.dcm"] == {
        "patient": "P4",
        "label": "",
        "outline": "",
        "split": "",
    }


def test_a_name_that_several_folders_have_gets_no_label(films, tmp_path):
    add_film(films / "again" / "001.png", seed=1)
    table = tmp_path / "study.csv"
    table.write_text("id,label\n001,a\n002,b\n")
    draft = draft_cohort(films, films / "cohort.csv", labels=table, key="id")
    labels = {name: row["label"] for name, row in labelled(draft).items()}
    assert labels["001.png"] == labels["again/001.png"] == ""
    assert labels["002.png"] == "b"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("id,label\n001,a\n001,b\n", "id", "rows 2 and 3 name the same `id` with"),
        ("id,label\n77,a\n", "id", "`id` names no image of the folder, neither by"),
        ("id,label\n001,a\n", "case", "must name the columns case; missing: case"),
        ("id,finding\n001,a\n", "id", "has no column `label`; rename the one"),
        ("id,label\n001\n", "id", "row 2: must have 2 fields"),
        ("id,label\n001,a\n", None, "needs the name of its key column"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(films, tmp_path, text, key, message):
    table = tmp_path / "study.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        draft_cohort(films, films / "cohort.csv", labels=table, key=key)
    assert not list(films.glob("*.csv"))
