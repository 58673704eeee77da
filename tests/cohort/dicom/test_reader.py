from __future__ import annotations

import csv
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)

from gastritis_gan.cohort.dicom.reader import decode_dicom, read_dicom
from gastritis_gan.cohort.image_file import read_image
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import grey_dataset, save_dicom

LOSSY_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _read(tmp_path: Path, dataset: Dataset, bits: int = 8) -> np.ndarray:
    return read_dicom(save_dicom(tmp_path / "image.dcm", dataset), bits=bits).pixels


def _lut(entries, *, first=0, bits=16, vr="US") -> Dataset:
    item = Dataset()
    item.add_new(
        "LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits]
    )
    item.add_new("LUTData", vr, entries)
    return item


def test_rescale_then_first_window_then_inversion(tmp_path):
    # 12 bits, signed, value = 2 x - 100; window (c=0, w=101): -50 black, 50 white
    stored = np.array([[0, 25, 50, 75, 100]] * 2, np.int16)
    dataset = grey_dataset(
        stored,
        BitsStored=12,
        HighBit=11,
        RescaleSlope=2,
        RescaleIntercept=-100,
        WindowCenter=[0.5, 7],
        WindowWidth=[101, 9],
    )
    assert _read(tmp_path, dataset).tolist() == [[0, 0, 128, 255, 255]] * 2
    assert (
        _read(tmp_path, dataset, bits=16).tolist() == [[0, 0, 32768, 65535, 65535]] * 2
    )
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert _read(tmp_path, dataset).tolist() == [[255, 255, 128, 0, 0]] * 2


def test_a_table_that_is_too_short_is_refused(tmp_path):
    item = _lut([1, 2, 3])
    item.LUTDescriptor = [4, 0, 16]
    dataset = grey_dataset(RAMP, VOILUTSequence=[item])
    with pytest.raises(InputError, match=r"image.dcm: .*LUTData has 3 .*states 4"):
        _read(tmp_path, dataset)


def test_a_voi_table_goes_before_a_window(tmp_path):
    dataset = grey_dataset(RAMP, WindowCenter=9, WindowWidth=2)
    dataset.VOILUTSequence = [_lut([*range(65535, 0, -257), 0])]
    np.testing.assert_array_equal(_read(tmp_path, dataset), RAMP[::-1, ::-1])


@pytest.mark.parametrize(
    ("window", "center"),
    [(None, 4), (1, 4), (2, 100), (3, 200), ("bone", 100), (" LUNG ", 200)],
)
def test_a_window_is_chosen_by_its_number_or_its_explanation(tmp_path, window, center):
    dataset = grey_dataset(
        RAMP,
        WindowCenter=[4.5, 100.5, 200.5],
        WindowWidth=[1, 1, 1],  # thresholds at 4, 100 and 200
        WindowCenterWidthExplanation=["SOFT", "BONE", "Lung"],
    )
    path = save_dicom(tmp_path / "image.dcm", dataset)
    image = read_dicom(path, bits=8, window=window).pixels
    np.testing.assert_array_equal(image, np.where(center < RAMP, 255, 0))


def test_a_table_is_chosen_like_a_window(tmp_path):
    tables = [_lut(list(range(0, 512, 2))), _lut(list(range(256, 0, -1)))]
    tables[1].LUTExplanation = "INVERSE"
    dataset = grey_dataset(RAMP, VOILUTSequence=tables)
    path = save_dicom(tmp_path / "image.dcm", dataset)
    for window in (2, "inverse"):
        shown = read_dicom(path, bits=16, window=window).pixels
        np.testing.assert_array_equal(shown, 256 - RAMP.astype(int))


@pytest.mark.parametrize("window", [0, 3, "HEAD", "SAME"])
def test_a_window_that_is_not_there_is_refused_without_quoting_others(tmp_path, window):
    names = ["Zebrafink", "SAME", "SAME"] if window == "SAME" else ["Zebrafink", "X"]
    dataset = grey_dataset(
        RAMP,
        WindowCenter=[4] * len(names),
        WindowWidth=[9] * len(names),
        WindowCenterWidthExplanation=names,
    )
    path = save_dicom(tmp_path / "image.dcm", dataset)
    with pytest.raises(InputError, match=r"WindowCenter has .* `--window`") as refusal:
        read_dicom(path, bits=8, window=window)
    assert "Zebrafink" not in str(refusal.value)
    bare = save_dicom(tmp_path / "bare.dcm", grey_dataset(RAMP))
    with pytest.raises(InputError, match=r"WindowCenter has 0 item"):
        read_dicom(bare, bits=8, window=1)


def test_without_a_window_the_percentiles_become_black_and_white(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.normal(1000, 100, (100, 100)).astype(np.uint16)
    pixels[0, :40] = 65535  # 0.4 % of the pixels: a burnt-in marker
    low, high = np.percentile(pixels, [0.5, 99.5], method="inverted_cdf").astype(float)
    expected = np.rint(np.clip((pixels - low) / (high - low), 0, 1) * 255)
    np.testing.assert_array_equal(_read(tmp_path, grey_dataset(pixels)), expected)


def test_encodings_of_one_image_agree(tmp_path):
    pixels = np.random.default_rng(0).integers(-900, 900, (8, 6)).astype(np.int16)
    expected = _read(tmp_path, grey_dataset(pixels))
    deflated = grey_dataset(pixels)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    np.testing.assert_array_equal(_read(tmp_path, deflated), expected)
    big = grey_dataset(pixels, PixelData=pixels.astype(">i2").tobytes())
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    np.testing.assert_array_equal(_read(tmp_path, big), expected)


def test_a_dicom_file_may_begin_like_a_tiff(tmp_path):
    dataset = grey_dataset(RAMP)
    dataset.preamble = b"II*\0".ljust(128, b"\0")
    path = save_dicom(tmp_path / "image.tif", dataset)
    np.testing.assert_array_equal(
        read_image(path, bits=8).pixels, _read(tmp_path, grey_dataset(RAMP))
    )


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"NumberOfFrames": 3, "PixelData": bytes(768)},
            r"\(0028,0008\) NumberOfFrames is 3; name one",
        ),
        (
            {"PhotometricInterpretation": "PALETTE COLOR"},
            r"\(0028,0004\).*PALETTE COLOR",
        ),
        (
            {"SamplesPerPixel": 3, "PixelData": bytes(768)},
            r"\(0028,0004\) PhotometricInterpretation",
        ),
        (
            {"BitsAllocated": 64, "PixelData": bytes(2048)},
            r"\(0028,0100\) BitsAllocated is 64",
        ),
        ({"Rows": 60000, "Columns": 60000}, r"\(0028,0010\) Rows .* 60000 x 60000"),
        ({"Rows": 17}, r"\(7FE0,0010\) PixelData is cut off"),
        ({"BitsStored": 9}, r"\(0028,0101\) BitsStored is 9"),
        ({"HighBit": 6}, r"\(0028,0102\) HighBit is 6 with 8 bits stored"),
        ({"Rows": [16, 16]}, r"\(0028,0010\) Rows must be one whole number"),
        ({"NumberOfFrames": -1}, r"\(0028,0008\) NumberOfFrames must be positive"),
        ({"PixelData": bytes(256)}, r"same value everywhere"),
        ({"WindowCenter": 5, "WindowWidth": 0}, r"\(0028,1051\) WindowWidth"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_the_tag(tmp_path, attributes, message):
    with pytest.raises(InputError, match=message) as refusal:
        _read(tmp_path, grey_dataset(RAMP, **attributes))
    assert str(refusal.value).startswith(str(tmp_path / "image.dcm"))


@pytest.mark.parametrize("planes", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_rgb_of_equal_channels_is_grey_and_any_other_is_refused(
    tmp_path, planes, order
):
    grey = (np.arange(256) * 16).reshape(16, 16)
    channels = np.stack([grey] * 3, axis=0 if planes else 2)
    dataset = grey_dataset(RAMP.astype(np.uint16), BitsStored=12, HighBit=11)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, planes
    dataset.PhotometricInterpretation = "RGB"
    dataset.WindowCenter, dataset.WindowWidth = 5, 9  # not of colour images
    dataset.PixelData = channels.astype(f"{order}u2").tobytes()
    if order == ">":
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    shown = _read(tmp_path, dataset, bits=16)
    np.testing.assert_allclose(shown, grey * (65535 / 4095), atol=0.501)
    channels.flat[-1] ^= 1
    dataset.PixelData = channels.astype(f"{order}u2").tobytes()
    with pytest.raises(InputError, match=r"\(0028,0004\) .* in colour"):
        _read(tmp_path, dataset)


def test_a_report_is_no_image(tmp_path):
    dataset = grey_dataset(RAMP)
    del dataset.PixelData
    with pytest.raises(InputError, match=r"has no \(7FE0,0010\) PixelData"):
        _read(tmp_path, dataset)


def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(tmp_path):
    # JPEG: SOI, a comment, SOF0: length 11, 8 bits, 60000 x 60001, one component
    frame = bytes.fromhex("ffd8 fffe0004 6162 ffc0 000b 08 ea60 ea61 01 011100")
    dataset = grey_dataset(RAMP)
    dataset.PixelData = pydicom.encaps.encapsulate([frame + b"\xff\xd9"])
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    with pytest.raises(
        InputError, match=r"\(7FE0,0010\) PixelData is 60001 x 60000 .* 16 x 16"
    ):
        _read(tmp_path, dataset)


def test_bits_above_those_stored_do_not_show(tmp_path):
    # 12 bits stored; an overlay in bit 12 and another in bit 15
    plain = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    overlays = np.uint16(0x1000) * (plain % 2) | np.uint16(0x8000) * (plain % 3 == 0)
    dataset = grey_dataset(
        plain | overlays, BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096
    )
    shown = _read(tmp_path, dataset, bits=16)
    expected = np.rint(plain / 4095 * 65535)  # C.11.2.1.2.1, note 3
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("written", [-2000, 63536])  # both are found in files
def test_padding_is_black_and_outside_the_percentiles(tmp_path, written):
    pixels = np.array([[-2000, 10, 20, 30, 40, 50]] * 4, np.int16)
    dataset = grey_dataset(pixels)
    dataset.add_new("PixelPaddingValue", "US" if written > 0 else "SS", written)
    # 10 is black and 50 white, though a third would be black with the padding
    expected = [[0, 0, 64, 128, 191, 255]] * 4
    assert _read(tmp_path, dataset).tolist() == expected
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert _read(tmp_path, dataset).tolist() == [[0, 255, 191, 128, 64, 0]] * 4


def test_padding_may_be_a_range(tmp_path):
    pixels = np.array([[0, 1, 2, 10, 20]], np.uint8)
    dataset = grey_dataset(pixels, PhotometricInterpretation="MONOCHROME1")
    dataset.add_new("PixelPaddingValue", "US", 2)
    dataset.add_new("PixelPaddingRangeLimit", "US", 0)
    assert _read(tmp_path, dataset).tolist() == [[0, 0, 0, 255, 0]]
    dataset.PixelPaddingRangeLimit = 99
    dataset.PixelPaddingValue = 0
    with pytest.raises(InputError, match=r"nothing but \(0028,0120\)"):
        _read(tmp_path, dataset)


def test_a_frame_is_named_by_its_number(tmp_path):
    frames = np.arange(24, dtype=np.uint8).reshape(3, 2, 4) * 10
    dataset = grey_dataset(frames[0], NumberOfFrames=3, PixelData=frames.tobytes())
    path = save_dicom(tmp_path / "image.dcm", dataset)
    for number, frame in enumerate(frames, start=1):
        read = read_image(tmp_path / f"image.dcm#{number}", bits=8).pixels
        np.testing.assert_array_equal(
            read, read_dicom(path, bits=8, frame=number).pixels
        )
        low, high = int(frame.min()), int(frame.max())  # no window: its own percentiles
        np.testing.assert_array_equal(
            read, np.rint((frame - low) * (255 / (high - low)))
        )
    for number in (0, 4):
        with pytest.raises(InputError, match=f"has no frame {number}.*is 3"):
            read_image(tmp_path / f"image.dcm#{number}", bits=8)
    with pytest.raises(InputError, match="NumberOfFrames is 3; name one of them"):
        read_image(path, bits=8)


def test_a_frame_has_its_own_window_and_rescale(tmp_path):
    frames = np.stack([RAMP, RAMP])
    dataset = grey_dataset(RAMP, NumberOfFrames=2, PixelData=frames.tobytes())
    shared, first, second = Dataset(), Dataset(), Dataset()
    transformation, wide, narrow = Dataset(), Dataset(), Dataset()
    transformation.RescaleSlope, transformation.RescaleIntercept = 2, 0
    shared.PixelValueTransformationSequence = [transformation]
    # values 0 to 510: (c=256, w=511) shows all, (c=0.5, w=1) is a threshold at 1
    wide.WindowCenter, wide.WindowWidth = 255.5, 511
    narrow.WindowCenter, narrow.WindowWidth = 1, 1
    first.FrameVOILUTSequence, second.FrameVOILUTSequence = [wide], [narrow]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [first, second]
    path = save_dicom(tmp_path / "image.dcm", dataset)
    first = read_dicom(path, bits=8, frame=1).pixels
    second = read_dicom(path, bits=8, frame=2).pixels
    np.testing.assert_array_equal(first, RAMP)
    np.testing.assert_array_equal(second, (RAMP > 0) * 255)


def test_a_collimated_border_is_named(tmp_path):
    dataset = grey_dataset(RAMP, CollimatorShape="RECTANGULAR", PatientName="Zebrafink")
    path = save_dicom(tmp_path / "image.dcm", dataset)
    (note,) = read_dicom(path, bits=8).notes
    assert note.startswith("state a (0018,1700) CollimatorShape")


def test_a_file_cut_anywhere_is_refused_in_one_sentence(tmp_path):
    for syntax in (None, DeflatedExplicitVRLittleEndian):
        dataset = grey_dataset(
            RAMP, PatientName="Zebrafink", WindowWidth=20, WindowCenter=9
        )
        dataset.file_meta.TransferSyntaxUID = (
            syntax or dataset.file_meta.TransferSyntaxUID
        )
        content = save_dicom(tmp_path / "whole.dcm", dataset).read_bytes()
        path = tmp_path / "cut.dcm"
        for length in range(0, len(content) - 2, 5):
            path.write_bytes(content[:length])
            with pytest.raises(InputError) as refusal:
                read_image(path, bits=8)
            assert str(refusal.value).startswith(f"{path}: ")
            assert "\n" not in str(refusal.value)
            assert "Zebrafink" not in str(refusal.value)


def test_no_attribute_of_the_patient_is_read(tmp_path):
    path = save_dicom(
        tmp_path / "image.dcm", grey_dataset(RAMP, PatientName="Zebrafink")
    )
    dataset = decode_dicom(path)[0]
    assert "PatientName" not in dataset
    assert "Zebrafink" not in str(dataset)


def test_every_flavour_is_read_rightly_or_refused_in_one_sentence(shared_dir):
    folder = shared_dir / "data" / "dicom_flavours"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    refusals = {}
    for row in rows:
        path = folder / row["file"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                shown = read_image(path, bits=8).pixels
                pixels = decode_dicom(path)[1]
            except InputError as refusal:
                refusals[path] = str(refusal)
                continue
        assert row["samples"] == "1"
        assert shown.shape == (int(row["rows"]), int(row["columns"]))
        if row["ts_uid"] not in LOSSY_JPEG:
            digest = hashlib.sha256(pixels.astype("<i8").tobytes()).hexdigest()
            assert digest[:16] == row["pixel_sha256_16"], path.name
    for path, refusal in refusals.items():
        assert refusal.startswith(f"{path}: ")
        assert "\n" not in refusal
        assert "(" in refusal.removeprefix(f"{path}: ")  # a tag, or the missing DICM
    readable = {folder / row["file"] for row in rows if _is_readable(row)}
    assert not readable & set(refusals)
    assert len(readable) >= 47


def test_lossy_jpeg_differs_from_the_reference_by_one_grey_value(shared_dir):
    # ITU-T T.83 allows that; the hashes of labels.csv are the reference's.
    libjpeg = pytest.importorskip("libjpeg", reason="pylibjpeg-libjpeg is GPL")
    folder = shared_dir / "data" / "dicom_flavours" / "files"
    for name in (
        "torchxrayvision__Fake_MONOHR1.dcm",
        "torchxrayvision__1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm",
        "pydicom-wheel__JPGExtended.dcm",
    ):
        frames = pydicom.encaps.generate_frames(
            pydicom.dcmread(folder / name).PixelData, number_of_frames=1
        )
        expected = libjpeg.decode(next(frames)).astype(int)
        pixels = decode_dicom(folder / name)[1]
        assert np.abs(pixels - expected).max() <= 1


def test_lossy_jpeg_of_12_bits_agrees_with_its_twins(shared_dir):
    def read(name):
        return decode_dicom(shared_dir / "data/dicom_flavours/files" / name)[1]

    # the same codestream, once with a scan header that is not as T.81 wants it
    repaired = read("pydicom-wheel__JPGExtended.dcm")
    np.testing.assert_array_equal(read("pydicom-wheel__JPEG-lossy.dcm"), repaired)
    lossless = read("pydicom-data-wheel__RG3_J2KR.dcm").astype(int)
    lossy = read("dicom-test-files__RG3_JPLY.dcm")
    assert np.abs(lossy - lossless).max() < 64  # of 1,024


def test_frames_of_a_real_file(shared_dir):
    folder = shared_dir / "data" / "dicom_flavours" / "files"
    path = folder / "pydicom-data-wheel__emri_small.dcm"
    frames = [decode_dicom(path, frame=number)[1] for number in range(1, 11)]
    digest = hashlib.sha256(np.stack(frames).astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "2d263f416a42f84c"  # pixel_sha256_16 of labels.csv


def _is_readable(row: dict[str, str]) -> bool:
    """Whether labels.csv says that it decodes to one grey image."""
    return (
        row["decode_all_plugins"].startswith("ok")
        and row["photometric"].startswith("MONOCHROME")
        and row["frames"] in ("", "1")
    )
