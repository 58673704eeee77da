"""Round trips through other people's encoders, and damage."""

from __future__ import annotations

import io
import struct
import subprocess
import sys

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import get_encoder
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from gastritis_gan.cohort.dicom.frames import decode_frame
from gastritis_gan.cohort.dicom.header import read_header
from gastritis_gan.cohort.dicom.reader import decode_dicom
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import grey_dataset, save_dicom

HEIGHT, WIDTH = 331, 205  # several parts of JPEG 2000 in both directions


def _film(bits: int, *, seed: int = 0, noise: float = 0.01) -> np.ndarray:
    """Grey waves with noise over the whole range of `bits`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 100
    grey = 0.5 + 0.4 * np.sin(3 * y + x) + rng.normal(0, noise, (HEIGHT, WIDTH))
    white = (1 << bits) - 1
    return np.clip(np.rint(grey * white), 0, white).astype("u1" if bits <= 8 else "u2")


def _decode(tmp_path, frames, syntax, *, bits, frame=None, **attributes):
    """Decodes what was encoded from `HEIGHT` x `WIDTH` pixels."""
    allocated = np.zeros((HEIGHT, WIDTH), "u1" if bits <= 8 else "u2")
    data = frames if isinstance(frames, bytes) else encapsulate(frames)
    dataset = grey_dataset(
        allocated,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelData=data,
        NumberOfFrames=1 if isinstance(frames, bytes) else len(frames),
    )
    for keyword, value in attributes.items():
        if isinstance(value, DataElement):
            dataset.add(value)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.TransferSyntaxUID = syntax
    return decode_dicom(save_dicom(tmp_path / "image.dcm", dataset), frame=frame)[1]


def _jpeg_2000(pixels: np.ndarray, bits: int, **options) -> bytes:
    options = {"level": 0, "reversible": True, **options}
    return imagecodecs.jpeg2k_encode(
        pixels, codecformat="j2k", bitspersample=bits, **options
    )


def _jpeg_lossless(pixels: np.ndarray, bits: int, **options) -> bytes:
    return imagecodecs.jpeg8_encode(
        pixels, lossless=True, bitspersample=bits, **options
    )


def _rle(pixels: np.ndarray, bits: int) -> bytes:
    return get_encoder(RLELossless).encode(
        pixels,
        encoding_plugin="pydicom",
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=1,
        bits_allocated=8 * pixels.itemsize,
        bits_stored=bits,
        pixel_representation=0,
        number_of_frames=1,
        photometric_interpretation="MONOCHROME2",
    )


LOSSLESS = {
    JPEG2000Lossless: (_jpeg_2000, (8, 10, 12, 15, 16)),
    JPEGLossless: (_jpeg_lossless, (8, 10, 12, 15, 16)),
    JPEGLSLossless: (lambda pixels, bits: imagecodecs.jpegls_encode(pixels), (8, 16)),
    RLELossless: (_rle, (8, 12, 16)),
    HTJ2KLossless: (
        lambda pixels, bits: imagecodecs.htj2k_encode(pixels, reversible=True),
        (8, 16),
    ),
}


@pytest.mark.parametrize(
    ("syntax", "bits"),
    [(syntax, bits) for syntax, (_, depths) in LOSSLESS.items() for bits in depths],
)
def test_a_lossless_encoding_gives_its_pixels(tmp_path, syntax, bits):
    pixels = _film(bits)
    frame = LOSSLESS[syntax][0](pixels, bits)
    decoded = _decode(tmp_path, [frame], syntax, bits=bits)
    np.testing.assert_array_equal(decoded, pixels)
    assert decoded.dtype == pixels.dtype


@pytest.mark.parametrize("predictor", range(1, 8))
def test_every_predictor_of_lossless_jpeg(tmp_path, predictor):
    pixels = _film(12)
    frame = _jpeg_lossless(pixels, 12, predictor=predictor)
    decoded = _decode(tmp_path, [frame], JPEGLossless, bits=12)
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("syntax", LOSSLESS)
def test_a_frame_in_several_fragments_and_one_of_several_frames(tmp_path, syntax):
    films = [_film(8, seed=seed) for seed in range(3)]
    frames = [LOSSLESS[syntax][0](film, 8) for film in films]
    pieces = encapsulate(frames[:1], fragments_per_frame=5, has_bot=False)
    decoded = _decode(tmp_path, pieces, syntax, bits=8)
    np.testing.assert_array_equal(decoded, films[0])
    for number, film in enumerate(films, start=1):
        decoded = _decode(tmp_path, frames, syntax, bits=8, frame=number)
        np.testing.assert_array_equal(decoded, film)
    data, offsets, lengths = encapsulate_extended(frames)
    decoded = _decode(
        tmp_path,
        data,
        syntax,
        bits=8,
        frame=2,
        NumberOfFrames=3,
        ExtendedOffsetTable=offsets,
        ExtendedOffsetTableLengths=lengths,
    )
    np.testing.assert_array_equal(decoded, films[1])


@pytest.mark.parametrize("level", [30, 45])
@pytest.mark.parametrize("bits", [8, 12])
def test_lossy_jpeg_2000_is_what_its_decoder_gives(tmp_path, bits, level):
    frame = _jpeg_2000(_film(bits, noise=0.1), bits, level=level, reversible=False)
    decoded = _decode(tmp_path, [frame], JPEG2000, bits=bits)
    np.testing.assert_array_equal(decoded, imagecodecs.jpeg2k_decode(frame))


@pytest.mark.parametrize(
    "options",
    [
        {"tile_size": (64, 64)},
        {"tile_size": (205, 300)},
        {"tile_size": (100, 64), "offset": (7, 3), "tile_offset": (5, 2)},
        {"tile_size": (205, 331), "offset": (11, 7), "tile_offset": (11, 7)},
        {"codeblock_size": (32, 32), "precinct_size": (128, 128)},
        {"num_resolutions": 1},
    ],
    ids=str,
)
def test_tiles_and_offsets_of_jpeg_2000(tmp_path, options):
    pixels = _film(8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True, **options)
    decoded = _decode(tmp_path, [stream.getvalue()], JPEG2000Lossless, bits=8)
    np.testing.assert_array_equal(decoded, pixels)


def test_a_jp2_file_where_a_codestream_should_be(tmp_path):
    pixels = _film(8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000")
    decoded = _decode(tmp_path, [stream.getvalue()], JPEG2000Lossless, bits=8)
    np.testing.assert_array_equal(decoded, pixels)


def test_signed_pixels_in_unsigned_codestreams(tmp_path):
    # 12 bits: -2048 is written as 2048
    pixels = _film(12).astype(np.int16) - 2048
    unsigned = pixels.astype(np.uint16) & 0xFFF
    for syntax in (JPEG2000Lossless, JPEGLossless, JPEGLSLossless, RLELossless):
        frame = LOSSLESS[syntax][0](unsigned, 12)
        decoded = _decode(tmp_path, [frame], syntax, bits=12, PixelRepresentation=1)
        np.testing.assert_array_equal(decoded, pixels)
        assert decoded.dtype == np.int16


def test_signed_jpeg_2000(tmp_path):
    pixels = _film(16).astype(np.int32) - 32768
    frame = _jpeg_2000(pixels.astype(np.int16), 16)
    decoded = _decode(
        tmp_path, [frame], JPEG2000Lossless, bits=16, PixelRepresentation=1
    )
    np.testing.assert_array_equal(decoded, pixels)


def test_lossy_jpeg_is_near_its_pixels(tmp_path):
    for syntax, bits in ((JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12)):
        pixels = _film(bits)
        frame = imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=bits)
        decoded = _decode(tmp_path, [frame], syntax, bits=bits).astype(int)
        assert decoded.max() < 1 << bits
        assert np.abs(decoded - pixels).mean() < 0.004 * (1 << bits)


def test_lossy_white_does_not_turn_black(tmp_path):
    # 10 bits stored in a codestream of 12, as some modalities write
    pixels = np.where(_film(10) > 500, 1023, 0).astype(np.uint16)
    frame = imagecodecs.jpeg8_encode(pixels, level=80, bitspersample=12)
    assert imagecodecs.jpeg8_decode(frame).max() > 1023  # it overshoots
    decoded = _decode(tmp_path, [frame], JPEGExtended12Bit, bits=10)
    assert decoded.max() == 1023
    assert (decoded[pixels == 1023] > 512).all()


@pytest.mark.parametrize(("bits", "vr"), [(8, "OW"), (8, "OB"), (16, "OW")])
def test_big_endian_words_and_odd_frames(tmp_path, bits, vr):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 1 << bits, (3, HEIGHT, WIDTH), f"u{bits // 8}")
    data = frames.tobytes() + bytes(frames.nbytes % 2)
    if vr == "OW":  # bytes are swapped with their words (PS3.5 A.3)
        data = np.frombuffer(data, np.uint16).byteswap().tobytes()
    for number, frame in enumerate(frames, start=1):
        decoded = _decode(
            tmp_path,
            data,
            ExplicitVRBigEndian,
            bits=bits,
            frame=number,
            NumberOfFrames=3,
            PixelData=DataElement("PixelData", vr, data),
        )
        np.testing.assert_array_equal(decoded, frame)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian]
)
def test_a_later_frame_without_compression(tmp_path, syntax):
    frames = np.stack([_film(12, seed=seed) for seed in range(2)])
    data = frames.astype("<u2").tobytes()
    decoded = _decode(tmp_path, data, syntax, bits=12, frame=2, NumberOfFrames=2)
    np.testing.assert_array_equal(decoded, frames[1])


@pytest.mark.parametrize("height", [9, 16])
def test_frames_of_single_bits_that_begin_within_a_byte(tmp_path, height):
    frames = np.random.default_rng(0).integers(0, 2, (5, height, 14), np.uint8)
    dataset = grey_dataset(frames[0], NumberOfFrames=5)
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    data = np.packbits(frames.ravel(), bitorder="little").tobytes()
    dataset.PixelData = data + bytes(len(data) % 2)
    path = save_dicom(tmp_path / "image.dcm", dataset)
    header = read_header(path, ())
    for number, frame in enumerate(frames, start=1):
        decoded, _ = decode_frame(path, header, frame=number)
        np.testing.assert_array_equal(decoded, frame)


def _pack_bits(values: bytes) -> bytes:
    """Literal runs (PS3.5 G.3.1)."""
    runs = [values[start : start + 128] for start in range(0, len(values), 128)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def test_rle_segments_with_padding_and_rle_segments_without_end(tmp_path):
    pixels = _film(12)
    high, low = ((pixels >> shift).astype(np.uint8).tobytes() for shift in (8, 0))
    for surplus, is_read in ((3, True), (10 * pixels.size, False)):
        planes = [_pack_bits(plane + bytes(surplus)) for plane in (high, low)]
        header = struct.pack("<16I", 2, 64, 64 + len(planes[0]), *[0] * 13)
        frame = header + b"".join(planes)
        if is_read:
            decoded = _decode(tmp_path, [frame], RLELossless, bits=12)
            np.testing.assert_array_equal(decoded, pixels)
        else:
            with pytest.raises(InputError, match=r"PixelData .* cannot be decoded"):
                _decode(tmp_path, [frame], RLELossless, bits=12)


@pytest.mark.parametrize("syntax", [*LOSSLESS, JPEGBaseline8Bit])
def test_a_frame_cut_short_is_refused(tmp_path, syntax):
    pixels = _film(8)
    if syntax == JPEGBaseline8Bit:
        frame = imagecodecs.jpeg8_encode(pixels)
    else:
        frame = LOSSLESS[syntax][0](pixels, 8)
    for length in (40, len(frame) // 3, len(frame) * 9 // 10):
        with pytest.raises(
            InputError, match=r"PixelData.* (cannot be decoded|cut off)"
        ):
            _decode(tmp_path, [frame[:length]], syntax, bits=8)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, HTJ2KLossless])
def test_a_frame_cut_short_with_an_end_marker_is_refused(tmp_path, syntax):
    frame = LOSSLESS[syntax][0](_film(8), 8)
    cut = frame[: len(frame) * 9 // 10] + b"\xff\xd9"
    with pytest.raises(InputError, match=r"PixelData.* cannot be decoded"):
        _decode(tmp_path, [cut], syntax, bits=8)


def test_pydicom_itself_decodes_as_before_beside_the_plug_in(tmp_path):
    pixels = _film(12)
    frame = _jpeg_2000(pixels, 12)
    _decode(tmp_path, [frame], JPEG2000Lossless, bits=12)  # adds the plug-in
    path = tmp_path / "image.dcm"
    np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, pixels)
    path.write_bytes(path.read_bytes().replace(frame[:60], bytes(60)))
    with pytest.raises(RuntimeError, match="neither a JPEG nor a JPEG 2000"):
        _ = pydicom.dcmread(path).pixel_array


def test_a_codestream_deeper_than_its_pixels_is_refused(tmp_path):
    frame = _jpeg_2000(_film(12), 12)
    with pytest.raises(InputError, match=r"12 bits a pixel.*BitsAllocated is 8"):
        _decode(tmp_path, [frame], JPEG2000Lossless, bits=8)


def test_a_codestream_in_crumbs_is_refused(tmp_path):
    stream = io.BytesIO()
    pixels = np.zeros((1000, 1000), np.uint8)
    pixels[500:] = 200
    options = {"codeblock_size": (4, 4), "num_resolutions": 1}
    Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True, **options)
    dataset = grey_dataset(pixels, PixelData=encapsulate([stream.getvalue()]))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    path = save_dicom(tmp_path / "image.dcm", dataset)
    with pytest.raises(InputError, match=r"code blocks so small .* than the image"):
        decode_dicom(path)


MEASURE = """
import sys
from pathlib import Path
from gastritis_gan.cohort.dicom.reader import read_dicom
read_dicom(Path(sys.argv[1]), bits=8)
Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from now on
def kib(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
before = kib("VmRSS")
read_dicom(Path(sys.argv[2]), bits=8)
print(1024 * (kib("VmHWM") - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("syntax", LOSSLESS)
def test_the_peak_is_below_eight_times_the_image_and_64_mib(tmp_path, syntax):
    side, paths = 2048, [tmp_path / "small.dcm", tmp_path / "large.dcm"]
    rng = np.random.default_rng(0)
    for path, length in zip(paths, (64, side), strict=True):
        pixels = rng.normal(128, 3, (length, length)).astype(np.uint8)
        frame = LOSSLESS[syntax][0](pixels, 8)
        dataset = grey_dataset(pixels, PixelData=encapsulate([frame]))
        dataset.file_meta.TransferSyntaxUID = syntax
        save_dicom(path, dataset)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 8 * side**2 + (64 << 20)
