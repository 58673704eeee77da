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
    return {image: (patient, outline) for image, patient, outline in draft.rows}


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
    assert ("../export/a/S1/IM1", "P1", "../export/a/S1/IM1.png") in draft.rows


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
    assert sorted(image.patient for image in cohort) == ["P1", "P2", "P2", "P3"]


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
    with pytest.raises(InputError, match=r"holds no DICOM file .* \(files in it: 1\)"):
        draft_cohort(tmp_path, tmp_path / "cohort.csv")


def test_header_values_of_any_kind_do_not_stop_the_draft(export):
    empty = Dataset()
    empty.update(grey_dataset(PIXELS, SOPInstanceUID="1.2.7", PatientID=None))
    empty.file_meta = grey_dataset(PIXELS).file_meta
    empty.NumberOfFrames = None
    save_dicom(export / "empty.dcm", empty)
    draft = draft_cohort(export, export / "cohort.csv")
    assert rows_of(draft)["empty.dcm"] == ("", "")
