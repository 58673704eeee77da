"""Reads the attributes of a DICOM file, and refuses what cannot be used."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
import pydicom.config
import pydicom.errors
import pydicom.filereader
import pydicom.multival
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RLELossless

from gastritis_gan.cohort.cohort import CohortError, quoting, refusing
from gastritis_gan.errors import InputError

MAX_PIXELS = 1 << 27  # 16,384 x 8,192: beyond any detector; 256 MiB at 16 bits
_MAX_INFLATED_BYTES = 2 * MAX_PIXELS + (16 << 20)
_CHUNK_BYTES = 1 << 16
_META_GROUP = 0x0002
_ITEM = b"\xfe\xff\0\xe0"
_UNDEFINED_LENGTH = 0xFFFFFFFF
# A file whose only meta information is TransferSyntaxUID, Explicit VR Little Endian.
_PLAIN_START = bytes(128) + b"DICM\x02\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0"
_INTEGERS = (
    "SamplesPerPixel",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_PIXEL_KEYWORDS = (
    *_INTEGERS,
    "PhotometricInterpretation",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
FUNCTIONAL_GROUPS = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
# Of the macros in PS3.3 C.7.6.16.2 those that take part in display and in scaling.
_DISPLAY_MACROS = {
    "PixelValueTransformationSequence": ("RescaleIntercept", "RescaleSlope"),
    "FrameVOILUTSequence": (
        "WindowCenter",
        "WindowWidth",
        "WindowCenterWidthExplanation",
        "VOILUTFunction",
        "VOILUTSequence",
    ),
    "PixelMeasuresSequence": ("PixelSpacing",),
}
# At the detector for projections, at the patient where the first is calibrated
# (PS3.3 10.7.1.3 and C.8.11.4).
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
_LENGTHS = (*_SPACINGS, "NominalScannedPixelSpacing", "PixelAspectRatio")
_BURNED_IN = {"YES": "yes", "NO": "no"}
# pydicom's doubts about how a text is encoded; no text of a file gets anywhere.
_ABOUT_TEXT = r"(?s).*([Ee]ncoding|Character Set|code extension)"


@contextlib.contextmanager
def refusing_dicom(path: Path, problem: str) -> Iterator[None]:
    """Turns whatever pydicom raises into one sentence that names the file.

    A warning of pydicom is a refusal too: what it doubts and reads all the same may be
    shifted or cut off. How values are written is not judged here; those that are used
    are checked where they are.

    Args:
        path: The file.
        problem: What it means when the code inside raises.

    Raises:
        InputError: Anything but a lack of memory was raised inside.
    """
    with (
        refusing(path, problem, logger="pydicom"),
        pydicom.config.disable_value_validation(),
    ):
        warnings.filterwarnings("error", category=UserWarning)
        warnings.filterwarnings("ignore", message=_ABOUT_TEXT)
        try:
            yield
        except pydicom.errors.InvalidDicomError:
            raise InputError(
                "is not a DICOM, PNG or TIFF file (no DICM after 128 bytes)."
            ) from None
        except UserWarning as warning:
            if "VR, but found" not in str(warning):
                raise
            raise InputError(
                "(0002,0010) TransferSyntaxUID contradicts how the data set is "
                "written; have the file converted again."
            ) from None


class _BoundedFile(io.BufferedReader):
    """A file of which a read takes no more memory than is left to read."""

    def __init__(self, path: Path):
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _CHUNK_BYTES:
            size = min(size, max(self._size - self.tell(), 0))
        return super().read(size)


@contextlib.contextmanager
def open_data_set(path: Path) -> Iterator[BinaryIO]:
    """Opens a DICOM file for reading, at its start.

    No length in the file can make a reader take memory. A deflated file is inflated in
    memory and looks like one that never was.

    Args:
        path: The file.

    Raises:
        InputError: The file inflates to more than any radiograph.
        Exception: The file is not DICOM, or its meta information is damaged.
    """
    with _BoundedFile(path) as file:
        pydicom.filereader.read_preamble(file, force=False)
        meta = pydicom.filereader.read_dataset(
            file, is_implicit_VR=False, is_little_endian=True, stop_when=_is_after_meta
        )
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            yield _inflate(file, _MAX_INFLATED_BYTES)
        else:
            file.seek(0)
            yield file


def _is_after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return bool(tag.group != _META_GROUP)


def _inflate(file: BinaryIO, max_bytes: int) -> io.BytesIO:
    """Inflates the rest of `file` (PS3.5 A.5); pydicom would, to whatever size."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO()
    inflated.write(_PLAIN_START)
    chunk = file.read(_CHUNK_BYTES)
    while chunk and not inflater.eof:
        inflated.write(inflater.decompress(chunk, _CHUNK_BYTES))
        if inflated.tell() > max_bytes:
            raise InputError(
                "(0002,0010) TransferSyntaxUID is Deflated Explicit VR Little Endian, "
                f"and the file inflates to more than {max_bytes >> 20} MiB."
            )
        chunk = inflater.unconsumed_tail or file.read(_CHUNK_BYTES)
    inflated.seek(0)
    return inflated


def read_header(
    path: Path, keywords: Sequence[str], *, unchecked: Sequence[str] = ()
) -> Dataset:
    """Reads the attributes that describe the pixels, and `keywords`; no other.

    Nothing else is read, so that nothing about the patient can get into a message. No
    pixel is read either: what a file declares is compared with its size before memory
    is taken.

    Args:
        path: The file.
        keywords: DICOM keywords of further attributes.
        unchecked: Keywords of attributes that may be of no use; read their values with
            `values_of`, for they may be unreadable.

    Returns:
        The attributes, every one of them readable but the unchecked, with `file_meta`.

    Raises:
        InputError: The file is not DICOM, is damaged, holds no pixels, or fewer than it
            declares, or more than any radiograph.
    """
    tags = [*_PIXEL_KEYWORDS, *keywords, *unchecked]
    with refusing_dicom(path, "cannot be read as DICOM"), open_data_set(path) as stream:
        header = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=tags)
        if values_of(header, "SamplesPerPixel") in ([], [1]):
            header.pop("PlanarConfiguration", None)  # means nothing there
        _check_values(header, (*_PIXEL_KEYWORDS, *keywords))
        if not header.get("NumberOfFrames"):  # pydicom doubts an empty one
            header.pop("NumberOfFrames", None)
        syntax = header.file_meta.get("TransferSyntaxUID")
        if syntax is None:
            raise InputError(
                "has no (0002,0010) TransferSyntaxUID, so it cannot be decoded."
            )
        _check_size(header, UID(syntax), stream)
    return header


def num_frames(header: Dataset) -> int:
    """Returns NumberOfFrames; files without it have one."""
    return int(header.get("NumberOfFrames") or 1)


def is_greyscale(header: Dataset) -> bool:
    """Whether a pixel is one grey value: MONOCHROME1 or MONOCHROME2."""
    photometric = header.get("PhotometricInterpretation")
    is_grey = photometric in ("MONOCHROME1", "MONOCHROME2")
    return is_grey and bool(header.get("SamplesPerPixel", 1) == 1)


def values_of(dataset: Dataset, keyword: str) -> list[Any]:
    """Returns the values of an attribute, none when it is absent or empty.

    Raises:
        InputError: They cannot be read; names the tag.
    """
    if keyword not in dataset:
        return []
    try:
        element = dataset[Tag(keyword)].value
    except Exception as error:  # noqa: BLE001 - damage surfaces as any exception
        problem = f"{name_of(keyword)} cannot be read"
        raise CohortError(f"{problem} ({error}).", f"{problem}.") from None
    if isinstance(element, list | pydicom.multival.MultiValue):
        return list(element)
    return [] if element is None or element == "" else [element]


def name_of(keyword: str) -> str:
    """Returns tag and keyword, as in "(0028,0010) Rows"."""
    tag = Tag(keyword)
    return f"({tag.group:04X},{tag.element:04X}) {keyword}"


def find_pixels(stream: BinaryIO, header: Dataset) -> str:
    """Moves to the value of PixelData.

    Args:
        stream: The file, as `open_data_set` opens it.
        header: Its attributes.

    Returns:
        Its VR, "OB", "OW" or "UN"; empty where it is implicit.
    """
    stream.seek(0)
    pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=["Rows"])
    return _read_pixel_element(stream, header)[0]


def _read_pixel_element(stream: BinaryIO, header: Dataset) -> tuple[str, int]:
    """Moves to the value of the element; returns its VR and its length."""
    is_implicit, is_little_endian = header.original_encoding
    order = "<" if is_little_endian else ">"
    # tag, and length; if explicit, VR and two bytes between them
    element = stream.read(8 if is_implicit else 12)
    if element[:4] != struct.pack(f"{order}2H", 0x7FE0, 0x0010):
        raise InputError(
            "has no (7FE0,0010) PixelData, so it is not an image, or is not written as "
            "its (0002,0010) TransferSyntaxUID states."
        )
    representation = "" if is_implicit else element[4:6].decode("ascii", "replace")
    if representation not in ("", "OB", "OW", "UN"):
        raise InputError("(7FE0,0010) PixelData must have the VR OB or OW.")
    (length,) = struct.unpack(f"{order}I", element[-4:])
    return representation, length


def _check_values(header: Dataset, keywords: Iterable[str]) -> None:
    """Converts values now, while the damaged one can still be named."""
    for keyword in keywords:
        values = values_of(header, keyword)
        is_number = len(values) < 2 and all(isinstance(value, int) for value in values)
        if keyword in _INTEGERS and not is_number:
            raise quoting(f"{name_of(keyword)} must be one whole number.", values)


def _check_size(header: Dataset, syntax: UID, stream: BinaryIO) -> None:
    """Compares what the header declares with the stated limit and the bytes present."""
    _, length = _read_pixel_element(stream, header)
    start = stream.tell()
    present = stream.seek(0, os.SEEK_END) - start
    rows, columns = header.get("Rows") or 0, header.get("Columns") or 0
    if not 0 < rows * columns <= MAX_PIXELS:
        raise InputError(
            f"(0028,0010) Rows x (0028,0011) Columns is {rows} x {columns}; images of "
            f"1 to {MAX_PIXELS:,} pixels are read."
        )
    if num_frames(header) < 1:
        raise InputError(
            f"(0028,0008) NumberOfFrames must be positive. Received: "
            f"{num_frames(header)}."
        )
    samples = header.get("SamplesPerPixel") or 1
    bits = header.get("BitsAllocated") or 0
    frame_bits = rows * columns * samples * bits
    declared = -(-num_frames(header) * frame_bits // 8)
    geometry = f"Rows x Columns x BitsAllocated is {rows} x {columns} x {bits}"
    if syntax.is_encapsulated and length != _UNDEFINED_LENGTH:
        raise InputError(
            "(7FE0,0010) PixelData has a stated length, as if it were not compressed, "
            "but (0002,0010) TransferSyntaxUID is of compressed pixels."
        )
    if syntax == RLELossless:
        _check_offsets(header, stream, start)
        most = 64 * present  # PackBits makes at most 128 bytes of 2
    elif syntax.is_encapsulated:
        _check_offsets(header, stream, start)
        return  # no greatest ratio; `decode_frame` compares the codestream's own size
    elif length == _UNDEFINED_LENGTH:
        raise InputError(
            "(7FE0,0010) PixelData has an undefined length, as if it were compressed, "
            "but (0002,0010) TransferSyntaxUID is of pixels that are not."
        )
    else:
        most = min(length, present)
    if declared > most:
        raise InputError(
            f"(7FE0,0010) PixelData is cut off: {geometry}, which takes more than the "
            f"{most} bytes that are there."
        )
    if syntax.is_encapsulated or most - declared <= declared % 2:
        return
    stream.seek(start + declared)
    excess = most - declared
    if 8 * excess >= frame_bits or stream.read(excess).strip(b"\0"):
        raise InputError(
            f"(7FE0,0010) PixelData has {excess} bytes too many: {geometry}, so that "
            "one of them does not belong to these pixels."
        )


def _check_offsets(header: Dataset, stream: BinaryIO, start: int) -> None:
    """Compares the frames with those that the Basic Offset Table names (PS3.5 A.4)."""
    stream.seek(start)
    item = stream.read(8)
    length = int.from_bytes(item[4:], "little") if item[:4] == _ITEM else 0
    if length and length != 4 * num_frames(header):
        raise InputError(
            f"(7FE0,0010) PixelData has {length // 4} frames by its offset table, but "
            f"(0028,0008) NumberOfFrames is {num_frames(header)}."
        )


def macro_of_frame(header: Dataset, macro: str, *, frame: int) -> Dataset | None:
    """Returns the item of a functional group macro for one frame, None without one.

    Args:
        header: The attributes, with the functional groups.
        macro: Keyword of the macro's sequence.
        frame: Number of the frame, from 1.
    """
    per_frame = header.get("PerFrameFunctionalGroupsSequence") or []
    shared = header.get("SharedFunctionalGroupsSequence") or []
    for groups in [*per_frame[frame - 1 : frame], *shared[:1]]:
        items = groups.get(macro)
        if items:
            item: Dataset = items[0]
            return item
    return None


def apply_display_macros(header: Dataset, *, frame: int) -> None:
    """Puts what holds for one frame where single-frame files have it.

    Args:
        header: The attributes; changed.
        frame: Number of the frame, from 1.
    """
    for macro, keywords in _DISPLAY_MACROS.items():
        item = macro_of_frame(header, macro, frame=frame)
        if item is not None:
            for keyword in keywords:
                header.pop(keyword, None)
                if keyword in item:  # as it is, for it may be unreadable and unused
                    tag = Tag(keyword)
                    header[tag] = item.get_item(tag)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageMetadata:
    """What a file states of its image beside the pixels.

    Attributes:
        pixel_spacing_mm: Distance of the rows, and of the columns; None where the file
            states none that can be used.
        pixel_aspect: Height of a pixel divided by its width, 1 where nothing is stated.
        burned_in: "yes", "no" or "not stated": whether the pixels hold text that
            identifies the patient (BurnedInAnnotation, PS3.3 C.7.6.1).
        is_synthetic: Whether the file states that nobody was examined: SyntheticData
            (PS3.3 C.12.1), or trainedAlgorithmicMedia in the XMP of PNG and TIFF.
    """

    pixel_spacing_mm: tuple[float, float] | None = None
    pixel_aspect: float = 1.0
    burned_in: str = "not stated"
    is_synthetic: bool = False


def read_dicom_metadata(path: Path, *, frame: int | None = None) -> ImageMetadata:
    """Reads what a DICOM file states of an image beside the pixels.

    Args:
        path: The file.
        frame: Number of the frame, from 1.

    Raises:
        InputError: The file is damaged.
    """
    keywords = ("BurnedInAnnotation", "SyntheticData", *FUNCTIONAL_GROUPS)
    header = read_header(path, keywords, unchecked=_LENGTHS)
    with refusing_dicom(path, "cannot be read as DICOM"):
        if 1 <= (frame or 1) <= num_frames(header):
            apply_display_macros(header, frame=frame or 1)
        spacings = [_two_lengths(header, keyword) for keyword in _LENGTHS]
        height, width = next(filter(None, spacings), (1.0, 1.0))
        return ImageMetadata(
            pixel_spacing_mm=next(filter(None, spacings[: len(_SPACINGS)]), None),
            pixel_aspect=height / width,
            burned_in=_BURNED_IN.get(
                str(header.get("BurnedInAnnotation")), "not stated"
            ),
            is_synthetic=str(header.get("SyntheticData")).strip().upper() == "YES",
        )


def _two_lengths(header: Dataset, keyword: str) -> tuple[float, float] | None:
    """Returns two positive numbers, None where the file has something else."""
    try:
        rows, columns = (float(value) for value in values_of(header, keyword))
    except (InputError, TypeError, ValueError):
        return None  # whoever needs a spacing says that there is none
    is_usable = 0 < rows < float("inf") and 0 < columns < float("inf")
    return (rows, columns) if is_usable else None
