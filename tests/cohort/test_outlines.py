from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom.dataset import Dataset

from gastritis_gan.cohort.outlines import read_outline
from gastritis_gan.cohort.polygons import decode_counts, fill_runs
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import grey_dataset, save_dicom

SHAPE = (30, 40)
OUTER = [[5, 4], [35, 4], [35, 26], [5, 26]]
HOLE = [[10, 8], [20, 8], [20, 16], [10, 16]]
APART = [[37, 1], [39, 1], [39, 3], [37, 3]]


def _drawn() -> np.ndarray:
    """The polygons above by Pillow, whose last pixel is inside."""
    canvas = Image.new("1", SHAPE[::-1])
    draw = ImageDraw.Draw(canvas)
    for (corner, *_), value in ((OUTER, 1), (HOLE, 0), (APART, 1)):
        opposite = {4: (34, 25), 8: (19, 15), 1: (38, 2)}[corner[1]]
        draw.rectangle((*corner, *opposite), fill=value)
    return np.array(canvas)


def _save(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _labelme(*polygons: list, label: str = "stomach", **changes: Any) -> dict:
    shapes = [
        {"label": label, "points": points, "shape_type": "polygon", "group_id": None}
        for points in polygons
    ]
    return {
        "version": "5.4.1",
        "shapes": shapes,
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": SHAPE[0],
        "imageWidth": SHAPE[1],
        **changes,
    }


def _coco(*segmentations: Any, size: tuple[int, int] = SHAPE) -> dict:
    return {
        "images": [
            {"id": 3, "file_name": "a.png", "height": size[0], "width": size[1]},
            {"id": 7, "file_name": "b.png", "height": 5, "width": 6},
        ],
        "annotations": [
            {"id": i, "image_id": 3, "category_id": 1, "segmentation": segmentation}
            for i, segmentation in enumerate(segmentations)
        ],
        "categories": [{"id": 1, "name": "stomach"}],
    }


def _flat(points: list) -> list:
    return [number for point in points for number in point]


def _runs(mask: np.ndarray) -> list[int]:
    """Run lengths by a loop over the pixels, column by column."""
    counts, value = [0], False
    for pixel in mask.T.ravel():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_is_whatever_is_not_zero(tmp_path, value):
    path = tmp_path / "mask.png"
    mask = np.eye(4, dtype=bool)
    Image.fromarray(mask.astype(np.uint8) * np.uint8(value)).save(path)
    np.testing.assert_array_equal(read_outline(path, shape=(4, 4)), mask)
    Image.fromarray(mask).save(path)  # one bit per pixel
    np.testing.assert_array_equal(read_outline(path, shape=(4, 4)), mask)


def test_a_mask_of_another_size_or_without_organ_is_refused(tmp_path):
    path = tmp_path / "mask.png"
    pixels = np.eye(3, 4, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    with pytest.raises(InputError, match=r"mask.png: .*is 4 x 3 pixels.* image 3 x 4"):
        read_outline(path, shape=(4, 3))
    with pytest.raises(InputError, match="holds one outline, so 2 names nothing"):
        read_outline(tmp_path / "mask.png#2", shape=(3, 4))
    Image.fromarray(pixels * 0).save(path)
    with pytest.raises(InputError, match="is empty"):
        read_outline(path, shape=(3, 4))
    path.write_text("mask")
    with pytest.raises(InputError, match="must be a PNG or TIFF mask, LabelMe"):
        read_outline(path, shape=(3, 4))
    with pytest.raises(InputError, match="cannot be read"):
        read_outline(tmp_path / "nothing.json", shape=(3, 4))


UPRIGHT = np.diag([-1.0, -1.0, 1.0, 1.0])


def _save_mask(path: Path, mask: np.ndarray) -> Path:
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(mask.T[:, :, None], UPRIGHT), path)
    elif path.suffix == ".nrrd":
        pytest.importorskip("nrrd").write(str(path), mask.T)
    else:
        Image.fromarray(mask).save(path)
    return path


BACKGROUND = "holds negative numbers, NaN or infinity"


@pytest.mark.parametrize(
    ("name", "dtype", "outside", "message"),
    [
        ("a.nii.gz", "f4", np.nan, BACKGROUND),
        ("a.nii", "f8", -np.inf, BACKGROUND),
        ("a.nii", "i2", -1, BACKGROUND),
        ("a.nrrd", "f4", np.nan, BACKGROUND),
        ("a.nrrd", "i2", -1000, BACKGROUND),
        ("a.nii.gz", "u1", 2, "has 2 different values above 0"),
        ("a.nrrd", "f4", 0.5, "has 2 different values above 0"),
        ("a.png", "u1", 2, "has 2 different values above 0"),
        ("a.tif", "u2", 300, "has 2 different values above 0"),
    ],
)
def test_a_mask_with_another_background_is_refused(
    tmp_path, name, dtype, outside, message
):
    mask = np.full(SHAPE, outside, dtype)
    mask[4:20, 5:30] = 1
    with pytest.raises(InputError, match=message):
        read_outline(_save_mask(tmp_path / name, mask), shape=SHAPE)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.png", "a.tif"])
@pytest.mark.parametrize("label", [1, 7])
def test_a_mask_has_any_one_label(tmp_path, name, label):
    mask = _drawn()
    path = _save_mask(tmp_path / name, mask.astype(np.uint8) * np.uint8(label))
    np.testing.assert_array_equal(read_outline(path, shape=SHAPE), mask)


@pytest.mark.parametrize(
    "polygons",
    [
        [OUTER, OUTER, HOLE, APART, HOLE],  # every annotation twice
        [OUTER + OUTER, HOLE, APART],  # a ring twice around
        [[*OUTER, OUTER[0]], [*HOLE, HOLE[0], HOLE[0]], APART],  # closed rings
        # the hole through a bridge, in either direction
        [[*OUTER, OUTER[0], *HOLE, HOLE[0]], APART],
        [[*OUTER, OUTER[0], *HOLE[::-1], HOLE[-1]], APART],
        [OUTER, [[5.3, 4.4], [34.6, 4.4], [34.6, 25.6], [5.3, 25.6]], HOLE, APART],
    ],
)
@pytest.mark.parametrize("kind", ["labelme", "coco"])
def test_what_is_drawn_twice_is_one_part(tmp_path, polygons, kind):
    if kind == "labelme":
        path = _save(tmp_path / "a.json", _labelme(*polygons))
    else:
        document = _coco(*[[_flat(polygon)] for polygon in polygons])
        del document["images"][1]
        path = _save(tmp_path / "a.json", document)
    np.testing.assert_array_equal(read_outline(path, shape=SHAPE), _drawn())


def test_runs_that_are_there_twice_are_one_part(tmp_path):
    runs = {"size": list(SHAPE), "counts": _runs(_drawn())}
    document = _coco(runs, runs)
    del document["images"][1]
    path = _save(tmp_path / "a.json", document)
    np.testing.assert_array_equal(read_outline(path, shape=SHAPE), _drawn())


def test_labelme_polygons_with_a_hole_and_a_second_part(tmp_path):
    path = _save(tmp_path / "a.json", _labelme(HOLE, OUTER, APART))
    np.testing.assert_array_equal(read_outline(path, shape=SHAPE), _drawn())


def test_coco_polygons_with_a_hole_and_a_second_part(tmp_path):
    document = _coco([_flat(OUTER), _flat(HOLE)], [_flat(APART)])
    _save(tmp_path / "a.json", document)
    mask = read_outline(tmp_path / "a.json#3", shape=SHAPE)
    np.testing.assert_array_equal(mask, _drawn())


def test_coco_runs(tmp_path):
    mask = _drawn()
    runs = {"size": list(SHAPE), "counts": _runs(mask)}
    document = _coco(runs)
    del document["images"][1]  # the only image needs no number
    path = _save(tmp_path / "a.json", document)
    np.testing.assert_array_equal(read_outline(path, shape=SHAPE), mask)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (_labelme(OUTER, imageWidth=41), r"is 41 x 30 pixels .* its image 40 x 30"),
        (_labelme(), "the outline is empty"),
        (_labelme([[1, 1], [2, 2]]), "fewer than three corners"),
        (_labelme([[1, 1], [2, 2], [3, "x"]]), "cannot be read as JSON outline"),
        (_labelme([[1, 1], [2, 2], [float("nan"), 3]]), "corner far outside any image"),
        (_labelme([[1, 1], [2, 2], [1e300, 3]]), "corner far outside any image"),
        (
            {
                **_labelme(OUTER),
                "shapes": [
                    *_labelme(OUTER)["shapes"],
                    *_labelme(HOLE, label="marker")["shapes"],
                ],
            },
            r"has 2 labels; .*\['marker', 'stomach'\]",
        ),
        (
            {
                **_labelme(),
                "shapes": [{"label": "a", "points": [], "shape_type": "circle"}],
            },
            "must be polygon. Received: 'circle'",
        ),
        ({**_labelme(OUTER), "imageHeight": None}, "its image 40 x 30"),
        (_coco([_flat(OUTER)]), r"holds 2 images; name one by its `id`"),
        ({"annotations": []}, "a key is missing: 'images'"),
        ({"version": 1}, "neither a LabelMe file"),
        ([1], "neither a LabelMe file"),
        (_labelme(*[APART] * 257), "has 257 parts; an outline of at most 256 is read"),
        (
            {**_coco([_flat(OUTER)]), "images": 2 * _coco()["images"][:1]},
            "two images have the same `id`",
        ),
        (
            {
                **_coco({"size": list(SHAPE), "counts": [600.5, 599.5]}),
                "images": _coco()["images"][:1],
            },
            "run lengths must be whole numbers",
        ),
        (7, "cannot be read as JSON outline"),
    ],
)
def test_a_json_file_that_outlines_nothing_is_refused(tmp_path, document, message):
    path = _save(tmp_path / "a.json", document)
    with pytest.raises(InputError, match=message) as refusal:
        read_outline(path, shape=SHAPE)
    assert str(refusal.value).startswith(f"{path}: ")


def test_a_coco_image_of_another_number_or_size_is_refused(tmp_path):
    _save(tmp_path / "a.json", _coco([_flat(OUTER)]))
    with pytest.raises(InputError, match="no image with the `id` 4"):
        read_outline(tmp_path / "a.json#4", shape=SHAPE)
    with pytest.raises(InputError, match="is 6 x 5 pixels"):
        read_outline(tmp_path / "a.json#7", shape=SHAPE)
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read as JSON outline"):
        read_outline(tmp_path / "a.json#3", shape=SHAPE)


def _segmentation(
    segments: list[np.ndarray], sources: list[str] | None = None
) -> Dataset:
    """Returns a binary segmentation with a frame per mask, numbered from 1."""
    frames = np.stack(segments)
    packed = np.packbits(frames.ravel(), bitorder="little").tobytes()
    dataset = grey_dataset(
        frames[0].astype(np.uint8),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        SegmentationType="BINARY",
        NumberOfFrames=len(frames),
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=packed + b"\0" * (len(packed) % 2),
    )
    dataset.SegmentSequence, dataset.PerFrameFunctionalGroupsSequence = [], []
    for number in range(1, len(frames) + 1):
        segment, groups, identification = Dataset(), Dataset(), Dataset()
        segment.SegmentNumber = identification.ReferencedSegmentNumber = number
        groups.SegmentIdentificationSequence = [identification]
        if sources:
            derivation, source = Dataset(), Dataset()
            source.ReferencedSOPInstanceUID = sources[number - 1]
            derivation.SourceImageSequence = [source]
            groups.DerivationImageSequence = [derivation]
        dataset.SegmentSequence.append(segment)
        dataset.PerFrameFunctionalGroupsSequence.append(groups)
    return dataset


def test_a_segment_of_a_dicom_segmentation(tmp_path):
    first, second = _drawn(), ~_drawn()
    path = save_dicom(tmp_path / "seg.dcm", _segmentation([first, second]))
    for number, mask in ((1, first), (2, second)):
        read = read_outline(tmp_path / f"seg.dcm#{number}", shape=SHAPE)
        np.testing.assert_array_equal(read, mask)
    with pytest.raises(InputError, match=r"\(0062,0002\).*segments \[1, 2\]"):
        read_outline(path, shape=SHAPE)
    with pytest.raises(InputError, match=r"is 40 x 30 pixels .* its image 30 x 40"):
        read_outline(tmp_path / "seg.dcm#1", shape=SHAPE[::-1])


def test_a_fractional_segment_is_inside_from_half_of_its_maximum(tmp_path):
    dataset = _segmentation([np.ones((2, 4), bool)])
    dataset.SegmentationType, dataset.MaximumFractionalValue = "FRACTIONAL", 200
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = bytes([0, 1, 99, 100, 101, 200, 0, 255])
    path = save_dicom(tmp_path / "seg.dcm", dataset)
    inside = read_outline(path, shape=(2, 4)).astype(int).tolist()
    assert inside == [[0, 0, 0, 1], [1, 1, 0, 1]]


def _source(uid: str, frames: object = None) -> Dataset:
    source = Dataset()
    source.ReferencedSOPInstanceUID = uid
    if frames is not None:
        source.ReferencedFrameNumber = frames
    return source


def _refer(dataset: Dataset, *sources: Dataset) -> Dataset:
    """States in a segmentation's only frame what it was drawn on."""
    derivation = Dataset()
    derivation.SourceImageSequence = list(sources)
    groups = dataset.PerFrameFunctionalGroupsSequence[0]
    groups.DerivationImageSequence = [derivation]
    return dataset


def _film(path: Path, frames: int = 1, **attributes: Any) -> Path:
    """Writes an image whose SOPInstanceUID is 1.2.3."""
    dataset = grey_dataset(np.zeros(SHAPE, np.uint8), **attributes)
    if frames > 1:
        dataset.NumberOfFrames = frames
        dataset.PixelData *= frames
    return save_dicom(path, dataset)


def test_a_segmentation_of_another_image_is_refused(tmp_path):
    image = _film(tmp_path / "image.dcm")
    for source in ("1.2.3", "1.2.4"):
        save_dicom(tmp_path / f"{source}.dcm", _segmentation([_drawn()], [source]))
    mask = read_outline(tmp_path / "1.2.3.dcm", shape=SHAPE, image=image)
    np.testing.assert_array_equal(mask, _drawn())
    with pytest.raises(InputError, match="was drawn on another image"):
        read_outline(tmp_path / "1.2.4.dcm", shape=SHAPE, image=image)
    with pytest.raises(InputError, match="is a DICOM file but not a Segmentation"):
        read_outline(image, shape=SHAPE)
    save_dicom(tmp_path / "seg.dcm", _segmentation([_drawn()]))  # of no image
    with pytest.raises(InputError, match="was drawn on another image"):
        read_outline(tmp_path / "seg.dcm", shape=SHAPE, image=image)


@pytest.mark.parametrize(
    ("sources", "frame", "is_right"),
    [
        ([_source("1.2.3", 3)], 3, True),
        ([_source("1.2.3", 2)], 3, False),
        ([_source("1.2.3", [1, 3])], 3, True),
        ([_source("1.2.3", [1, 2])], 3, False),
        ([_source("1.2.3")], 3, True),  # all frames
        ([_source("1.2.4", 3)], 3, False),
        ([_source("1.2.4", 3), _source("1.2.3", 3)], 3, True),
    ],
)
def test_a_segmentation_belongs_to_a_frame(tmp_path, sources, frame, is_right):
    image = _film(tmp_path / "image.dcm", frames=3)
    dataset = _refer(_segmentation([_drawn()]), *sources)
    path = save_dicom(tmp_path / "seg.dcm", dataset)
    row = image.with_name(f"image.dcm#{frame}")
    if is_right:
        mask = read_outline(path, shape=SHAPE, image=row)
        np.testing.assert_array_equal(mask, _drawn())
    else:
        with pytest.raises(InputError, match="was drawn on another image"):
            read_outline(path, shape=SHAPE, image=row)


def test_of_a_segment_of_several_frames_that_of_the_row_is_taken(tmp_path):
    image = _film(tmp_path / "image.dcm", frames=2)
    masks = [_drawn(), ~_drawn()]
    dataset = _segmentation(masks)
    groups = dataset.PerFrameFunctionalGroupsSequence
    del dataset.SegmentSequence[1]
    for frame, group in enumerate(groups, start=1):
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber = 1
        derivation = Dataset()
        derivation.SourceImageSequence = [_source("1.2.3", frame)]
        group.DerivationImageSequence = [derivation]
    path = save_dicom(tmp_path / "seg.dcm", dataset)
    for frame, mask in enumerate(masks, start=1):
        row = image.with_name(f"image.dcm#{frame}")
        np.testing.assert_array_equal(read_outline(path, shape=SHAPE, image=row), mask)
    with pytest.raises(InputError, match="segment 1 has 2 frames"):
        read_outline(path, shape=SHAPE)


@pytest.mark.parametrize(("uid", "is_right"), [("1.2.3", True), ("1.2.4", False)])
def test_a_segmentation_may_name_its_image_for_the_whole_file(tmp_path, uid, is_right):
    image = _film(tmp_path / "image.dcm")
    dataset, series = _segmentation([_drawn()]), Dataset()
    series.ReferencedInstanceSequence = [_source(uid)]
    dataset.ReferencedSeriesSequence = [series]
    path = save_dicom(tmp_path / "seg.dcm", dataset)
    if is_right:
        assert read_outline(path, shape=SHAPE, image=image).any()
    else:
        with pytest.raises(InputError, match="was drawn on another image"):
            read_outline(path, shape=SHAPE, image=image)


ORIENTATION, POSITION = [1, 0, 0, 0, 1, 0], [10, -20.5, 300]


@pytest.mark.parametrize(
    ("keyword", "here", "there", "is_right"),
    [
        ("ImageOrientationPatient", ORIENTATION, ORIENTATION, True),
        ("ImageOrientationPatient", ORIENTATION, [-1, 0, 0, 0, 1, 0], False),
        ("ImagePositionPatient", POSITION, POSITION, True),
        ("ImagePositionPatient", POSITION, [10, -22.5, 300], False),
        ("PixelSpacing", [0.14, 0.14], ["0.1400", "0.1400"], True),
        ("PixelSpacing", [0.14, 0.14], [0.28, 0.28], False),
        ("PixelSpacing", None, [0.28, 0.28], True),  # the image has none
    ],
)
def test_a_segmentation_has_its_images_geometry(
    tmp_path, keyword, here, there, is_right
):
    macro = {
        "ImageOrientationPatient": "PlaneOrientationSequence",
        "ImagePositionPatient": "PlanePositionSequence",
        "PixelSpacing": "PixelMeasuresSequence",
    }[keyword]
    image = _film(tmp_path / "image.dcm", **({keyword: here} if here else {}))
    dataset, groups, item = _segmentation([_drawn()], ["1.2.3"]), Dataset(), Dataset()
    setattr(item, keyword, there)
    setattr(groups, macro, [item])
    dataset.SharedFunctionalGroupsSequence = [groups]
    path = save_dicom(tmp_path / "seg.dcm", dataset)
    if is_right:
        assert read_outline(path, shape=SHAPE, image=image).any()
    else:
        with pytest.raises(InputError, match=f"its {keyword} is not the image's"):
            read_outline(path, shape=SHAPE, image=image)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SegmentationType": "LABELMAP"}, r"\(0062,0001\) must be BINARY or FRAC"),
        ({"SegmentationType": "FRACTIONAL"}, r"\(0062,000E\) Maximum.* positive"),
    ],
)
def test_a_segmentation_of_another_type_is_refused(tmp_path, changes, message):
    dataset = _segmentation([_drawn()])
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    path = save_dicom(tmp_path / "seg.dcm", dataset)
    with pytest.raises(InputError, match=message):
        read_outline(path, shape=SHAPE)


def test_real_segmentations(shared_dir):
    folder = shared_dir / "data" / "dicom_flavours" / "files"
    liver = read_outline(folder / "pydicom-wheel__liver_1frame.dcm", shape=(512, 512))
    digest = hashlib.sha256(liver.astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "177a914400dbf0d3"  # pixel_sha256_16 of labels.csv
    for name in ("pydicom-data-wheel__liver.dcm", "highdicom__seg_image_ct_binary.dcm"):
        with pytest.raises(InputError, match="segment 1 has 3 frames"):
            read_outline(folder / name, shape=(512, 512))


SIZES = (40, 30)  # columns first, as NIfTI and NRRD store them


def test_a_nifti_mask(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    mask = _drawn()
    itk = np.diag([-0.2, -0.2, 1.0, 1.0])  # columns to the left, rows to the back
    frontal = np.array([[-1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    for name, affine in (("a.nii", itk), ("b.nii.gz", frontal), ("c.nii", None)):
        values = mask.T[:, :, None].astype(np.uint8) * 7
        nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / name)
        np.testing.assert_array_equal(
            read_outline(tmp_path / name, shape=SHAPE), mask, err_msg=name
        )


@pytest.mark.parametrize(
    ("sizes", "diagonal", "message"),
    [
        (SIZES, [1, 1, 1, 1], r"orientation \(R and A for columns and rows\)"),
        (SIZES, [-1, 1, 1, 1], r"orientation \(L and A"),
        (SIZES[::-1], [-1, -1, 1, 1], r"is 30 x 40 pixels .* its image 40 x 30"),
        ((40, 30, 2), [-1, -1, 1, 1], "sizes 40 x 30 x 2; it must be one plane"),
    ],
)
def test_a_nifti_mask_that_does_not_fit_is_refused(tmp_path, sizes, diagonal, message):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "a.nii.gz"
    volume = nibabel.Nifti1Image(np.ones(sizes, np.uint8), np.diag(diagonal))
    nibabel.save(volume, path)
    with pytest.raises(InputError, match=message):
        read_outline(path, shape=SHAPE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"a.nii.gz: "):
        read_outline(path, shape=sizes[1::-1])


LPS, RAS = "left-posterior-superior", "right-anterior-superior"


def test_an_nrrd_mask(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    mask, identity = _drawn(), np.eye(3)
    headers = (
        {},
        {"space": LPS, "space directions": identity * 0.2},
        {"space": RAS, "space directions": identity * [[-1], [-1], [1]]},
        {"space": "LPS", "space directions": identity[[0, 2, 1]] * [[1], [-1], [1]]},
    )
    for header in headers:
        values = mask.T[:, :, None].astype(np.uint8)
        nrrd.write(str(tmp_path / "a.nrrd"), values, header)
        np.testing.assert_array_equal(
            read_outline(tmp_path / "a.nrrd", shape=SHAPE), mask, err_msg=str(header)
        )


@pytest.mark.parametrize(
    ("space", "directions", "message"),
    [
        (LPS, [[-1, 0, 0], [0, 1, 0], [0, 0, 1]], r"orientation \(R and P"),
        (RAS, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], r"orientation \(R and A"),
        (LPS, [[0, 1, 0], [1, 0, 0], [0, 0, 1]], r"orientation \(P and L"),
        (
            "scanner-xyz",
            [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
            "not the patient's. .*'scanner-xyz'",
        ),
    ],
)
def test_an_nrrd_mask_that_is_turned_is_refused(tmp_path, space, directions, message):
    nrrd = pytest.importorskip("nrrd")
    header = {"space": space, "space directions": np.array(directions, float)}
    nrrd.write(str(tmp_path / "a.nrrd"), np.ones((40, 30, 1), np.uint8), header)
    with pytest.raises(InputError, match=message):
        read_outline(tmp_path / "a.nrrd", shape=SHAPE)


def test_an_nrrd_header_alone_is_refused(tmp_path):
    nrrd = pytest.importorskip("nrrd")
    nrrd.write(str(tmp_path / "a.nhdr"), np.ones((40, 30), np.uint8))
    (tmp_path / "a.nhdr").rename(tmp_path / "a.nrrd")
    with pytest.raises(InputError, match="keeps its pixels in another file"):
        read_outline(tmp_path / "a.nrrd", shape=SHAPE)


@pytest.mark.parametrize("name", ["a.nii", "a.nrrd"])
def test_a_missing_library_names_the_extra(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    monkeypatch.setitem(sys.modules, "nrrd", None)
    (tmp_path / name).write_bytes(b"NRRD0004")
    with pytest.raises(InputError, match=r"gastritis-gan\[outlines\]"):
        read_outline(tmp_path / name, shape=SHAPE)


def _encode(counts: list[int]) -> str:
    """COCO's rleToString, written from its description in cocoapi/common/maskApi.c."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != -1 if group & 0x10 else value != 0
            text += chr((group | 0x20 if more else group) + 48)
    return text


def test_compressed_counts_are_those_of_the_description():
    # pycocotools.mask.encode of a 2 x 2 mask whose right column is set: 2 then 2
    assert decode_counts("22").tolist() == [2, 2]
    rng = np.random.default_rng(0)
    for _ in range(50):
        counts = rng.integers(0, 3000, rng.integers(1, 12)).tolist()
        assert decode_counts(_encode(counts)).tolist() == counts


@pytest.mark.parametrize("text", ["P", "\x1f", "é", "ooooooooooooooooo0"])
def test_damaged_counts_are_refused(text):
    with pytest.raises(ValueError, match="run lengths"):
        decode_counts(text)


def test_runs_go_down_the_columns():
    drawn = fill_runs(np.array([1, 3, 2]), (2, 3)).astype(int).tolist()
    assert drawn == [[0, 1, 0], [1, 1, 0]]


@pytest.mark.parametrize("counts", [[1, 2], [7], [-1, 7], [2**62, 2**62, 2**62]])
def test_runs_that_do_not_fill_the_image_are_refused(counts):
    with pytest.raises(ValueError, match="do not add up"):
        fill_runs(np.array(counts), (2, 3))
