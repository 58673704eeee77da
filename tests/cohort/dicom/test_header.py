"""What the attributes and the length of the pixels must agree on."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from gastritis_gan.cohort.dicom.reader import read_dicom
from gastritis_gan.cohort.image_file import read_image, read_metadata
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import grey_dataset, save_dicom

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _read(tmp_path: Path, dataset: Dataset, bits: int = 8) -> np.ndarray:
    return read_dicom(save_dicom(tmp_path / "image.dcm", dataset), bits=bits).pixels


def _element(dataset: Dataset, path: Path) -> tuple[bytearray, int]:
    """Returns a file's bytes, and where the length of PixelData stands."""
    content = bytearray(save_dicom(path, dataset).read_bytes())
    return content, content.rindex(bytes.fromhex("e07f1000")) + 8


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0xFFFFFFFF, "has an undefined length"),
        (128, r"is cut off: .* than the 128 bytes"),  # the text behind is no pixel
        (0xFFFFFFF0, r"has \d+ bytes too many|cannot be read"),
    ],
)
def test_a_length_that_contradicts_the_geometry_is_refused(tmp_path, length, message):
    dataset = grey_dataset(RAMP)
    dataset.add_new("DataSetTrailingPadding", "OB", b"Zebrafink " * 40)
    content, position = _element(dataset, tmp_path / "image.dcm")
    content[position : position + 4] = length.to_bytes(4, "little")
    (tmp_path / "image.dcm").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_dicom(tmp_path / "image.dcm", bits=8)


def test_zeros_behind_the_pixels_are_padding_and_anything_else_is_refused(tmp_path):
    padded = grey_dataset(RAMP, PixelData=RAMP.tobytes() + bytes(10))
    np.testing.assert_array_equal(
        _read(tmp_path, padded), _read(tmp_path, grey_dataset(RAMP))
    )
    for surplus in (b"\0\0\0\1", bytes(256)):
        wrong = grey_dataset(RAMP, PixelData=RAMP.tobytes() + surplus)
        with pytest.raises(InputError, match=r"PixelData has \d+ bytes too many"):
            _read(tmp_path, wrong)


def test_a_transfer_syntax_that_the_data_set_contradicts_is_refused(tmp_path):
    path = save_dicom(tmp_path / "image.dcm", grey_dataset(RAMP))
    explicit = path.read_bytes()
    uid = ExplicitVRLittleEndian.encode() + b"\0"
    # the same length: 1.2.840.10008.1.2 with three bytes of padding
    implicit = ImplicitVRLittleEndian.encode().ljust(len(uid), b"\0")
    path.write_bytes(explicit.replace(uid, implicit, 1))
    with pytest.raises(InputError, match=r"image.dcm: .*TransferSyntaxUID contradicts"):
        read_dicom(path, bits=8)


def test_a_deflated_file_that_inflates_without_end_is_refused(tmp_path):
    dataset = grey_dataset(RAMP)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save_dicom(tmp_path / "image.dcm", dataset)
    content = path.read_bytes()
    # behind the preamble, DICM and (0002,0000), whose value is the length of the rest
    start = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    zeros = [deflater.compress(bytes(1 << 20)) for _ in range(280)]
    path.write_bytes(content[:start] + b"".join([*zeros, deflater.flush()]))
    with pytest.raises(InputError, match=r"\(0002,0010\).*inflates to more than"):
        read_dicom(path, bits=8)


def test_more_frames_by_the_offset_table_than_stated_are_refused(tmp_path):
    dataset = grey_dataset(RAMP)
    dataset.compress(RLELossless)
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    dataset.PixelData = encapsulate([frame, frame])
    with pytest.raises(InputError, match=r"2 frames .* \(0028,0008\) NumberOfFrames"):
        _read(tmp_path, dataset)
    dataset.PixelData = encapsulate([frame])
    np.testing.assert_array_equal(
        _read(tmp_path, dataset), _read(tmp_path, grey_dataset(RAMP))
    )


def test_a_spacing_that_is_no_number_is_no_spacing(tmp_path):
    macro, groups = Dataset(), Dataset()
    macro.PixelSpacing = [0.1, 0.1]
    groups.PixelMeasuresSequence = [macro]
    dataset = grey_dataset(RAMP, SharedFunctionalGroupsSequence=[groups])
    content = save_dicom(tmp_path / "image.dcm", dataset).read_bytes()
    (tmp_path / "image.dcm").write_bytes(content.replace(b"0.1\\0.1", b"0.1\\a.b"))
    assert read_image(tmp_path / "image.dcm", bits=8).pixels.shape == RAMP.shape
    assert read_metadata(tmp_path / "image.dcm").pixel_spacing_mm is None
    (tmp_path / "image.dcm").write_bytes(content)
    assert read_metadata(tmp_path / "image.dcm").pixel_spacing_mm == (0.1, 0.1)
