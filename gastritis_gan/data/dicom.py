"""Reads a DICOM image as grey values: PS3.3's display chain as pure functions."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.errors
import pydicom.multival
import pydicom.pixels
from pydicom.dataset import Dataset

from gastritis_gan.errors import InputError

_PERCENTILES = (0.5, 99.5)  # black and white of a file that names no window
_MAX_PIXELS = 1 << 28  # 16,384 x 16,384: beyond any detector

# Nothing else is read, so no attribute of the patient is ever in memory.
_KEYWORDS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)


def read_dicom(path: Path, *, bits: int) -> np.ndarray:
    """Reads a DICOM image as a viewer would show it.

    Modality LUT or rescale, VOI LUT or first window (without one: the 0.5th and 99.5th
    percentile become black and white), MONOCHROME1 inversion, quantisation (PS3.3
    C.11.1, C.11.2, C.7.6.3.1.2).

    Args:
        path: The file.
        bits: 8 or 16 bits per pixel of the result.

    Returns:
        ndarray of uint8 or uint16 of shape (height, width); 0 is black.

    Raises:
        InputError: The file is not DICOM, holds no single greyscale image, is damaged,
            or is compressed in a way that no installed decoder knows.
    """
    dataset, pixels = decode_dicom(path)
    # Pixels have at most 65,536 values: evaluate the chain once per value.
    smallest = int(pixels.min())
    index = pixels.astype(np.int32) - smallest
    counts = np.bincount(index.ravel())
    stored_values = np.arange(smallest, smallest + counts.size)
    with _refusal(path, "the look-up tables or the window cannot be applied"):
        shown = display_values(stored_values, counts, dataset)  # [0, 1]
    quantised: np.ndarray = np.rint(shown * (2**bits - 1)).astype(f"uint{bits}")
    return quantised[index]


def decode_dicom(path: Path) -> tuple[Dataset, np.ndarray]:
    """Reads the attributes of the display chain and the stored pixel values.

    Returns:
        The attributes, and an ndarray of an 8- or 16-bit integer dtype and of shape
        (height, width).

    Raises:
        InputError: As `read_dicom`.
    """
    with _refusal(path, "cannot be read as DICOM"):
        dataset = pydicom.dcmread(path, specific_tags=list(_KEYWORDS))
        _check_is_one_grey_image(dataset)
    syntax = dataset.file_meta.TransferSyntaxUID.name
    with _refusal(path, f"(7FE0,0010) PixelData ({syntax}) cannot be decoded"):
        pixels = dataset.pixel_array
    return dataset, pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def display_values(
    stored_values: np.ndarray, counts: np.ndarray, dataset: Dataset
) -> np.ndarray:
    """Maps stored values to what a display shows.

    Args:
        stored_values: ndarray of int of shape (n,), distinct stored values.
        counts: ndarray of int of shape (n,), how many pixels have each value.
        dataset: The attributes of the chain.

    Returns:
        ndarray of float64 of shape (n,) in [0, 1]; 0 is black.

    Raises:
        InputError: An attribute of the chain has an impossible value.
    """
    values = apply_modality_lut(stored_values, dataset)
    if dataset.get("VOILUTSequence"):
        shown = apply_lut(values, dataset.VOILUTSequence[0], dataset)
    elif (
        _first(dataset, "WindowCenter") is None
        or _first(dataset, "WindowWidth") is None
    ):
        shown = stretch(values, *percentile_range(values, counts, _PERCENTILES))
    else:
        shown = apply_window(
            values,
            center=float(_first(dataset, "WindowCenter")),
            width=float(_first(dataset, "WindowWidth")),
            function=str(dataset.get("VOILUTFunction") or "LINEAR"),
        )
    return 1.0 - shown if dataset.PhotometricInterpretation == "MONOCHROME1" else shown


def apply_modality_lut(stored_values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Applies the Modality LUT, or the rescale, or neither (PS3.3 C.11.1).

    Returns:
        ndarray of int64 or float64 of the same shape.

    Raises:
        InputError: The table is malformed.
    """
    if dataset.get("ModalityLUTSequence"):
        return _look_up(stored_values, dataset.ModalityLUTSequence[0], dataset)[0]
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is None or intercept is None:
        return stored_values
    return stored_values * float(slope) + float(intercept)


def apply_lut(values: np.ndarray, item: Dataset, dataset: Dataset) -> np.ndarray:
    """Applies a VOI LUT (PS3.3 C.11.2.1.1).

    Args:
        values: ndarray of int or float; rounded to the table's integers.
        item: An item of VOILUTSequence.
        dataset: The data set that holds it; tells the byte order.

    Returns:
        ndarray of float64 of the same shape in [0, 1].

    Raises:
        InputError: The table is malformed.
    """
    entries, bits = _look_up(np.rint(values).astype(np.int64), item, dataset)
    shown: np.ndarray = np.clip(entries / (2**bits - 1), 0.0, 1.0)
    return shown


def apply_window(
    values: np.ndarray, *, center: float, width: float, function: str
) -> np.ndarray:
    """Applies a window (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: ndarray of int or float, after the Modality LUT.
        center: WindowCenter.
        width: WindowWidth.
        function: VOILUTFunction: LINEAR, LINEAR_EXACT or SIGMOID.

    Returns:
        ndarray of float64 of the same shape in [0, 1].

    Raises:
        InputError: The width or the function is impossible.
    """
    least = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}
    if function not in least:
        raise InputError(
            f"(0028,1056) VOILUTFunction must be one of {', '.join(least)}. Received: "
            f"{function!r}."
        )
    if not (np.isfinite(center) and np.isfinite(width)):
        raise InputError("(0028,1050) WindowCenter and (0028,1051) must be finite.")
    if width < least[function] or width == 0:
        raise InputError(
            "(0028,1051) WindowWidth must be at least 1 (LINEAR) or above 0 "
            f"(LINEAR_EXACT, SIGMOID). Received: {width:g} for {function}."
        )
    if function == "SIGMOID":
        # tanh form of 1 / (1 + exp(-4 (x - c) / w)): it cannot overflow
        return 0.5 + 0.5 * np.tanh(2.0 * (values - center) / width)
    if function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    if width == 0:  # a LINEAR window of 1 is a threshold
        return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0.0, 1.0)


def stretch(values: np.ndarray, black: float, white: float) -> np.ndarray:
    """Maps `black` to 0 and `white` to 1, linearly, and clips what lies beyond.

    Raises:
        InputError: `black` equals `white`, so that the image has one value.
    """
    if black == white:
        raise InputError("(7FE0,0010) PixelData has the same value everywhere.")
    return np.clip((values - black) / (white - black), 0.0, 1.0)


def percentile_range(
    values: np.ndarray, counts: np.ndarray, percentiles: tuple[float, float]
) -> tuple[float, float]:
    """Returns two percentiles of a histogram, or its range where they coincide.

    Args:
        values: ndarray of int or float of shape (n,), in any order.
        counts: ndarray of int of shape (n,), how often each occurs.
        percentiles: Two numbers from 0 to 100.

    Returns:
        Values that occur: the smallest with at least that percentage at or below it.
    """
    order = np.argsort(values, kind="stable")
    order = order[counts[order] > 0]
    cumulated = np.cumsum(counts[order])
    ranks = np.asarray(percentiles) / 100.0 * cumulated[-1]
    low, high = values[order[np.searchsorted(cumulated, ranks)]]
    if low == high:
        low, high = values[order[0]], values[order[-1]]
    return float(low), float(high)


def _look_up(
    values: np.ndarray, item: Dataset, dataset: Dataset
) -> tuple[np.ndarray, int]:
    """Returns table entries for integer `values`, and the bits of an entry."""
    num_entries, first, bits = (int(number) for number in item.LUTDescriptor)
    # PS3.3 C.11.1.1.1: 0 stands for 65,536; the count and the entries are unsigned,
    # though the attributes of signed pixels are read as signed.
    num_entries = num_entries & 0xFFFF or 1 << 16
    if not 8 <= bits <= 16:
        raise InputError(
            f"(0028,3002) LUTDescriptor must give 8 to 16 bits per entry. Received: "
            f"{bits}."
        )
    table = item.LUTData
    if isinstance(table, bytes):
        is_bytes = bits == 8 and len(table) < 2 * num_entries
        order = ">" if dataset.original_encoding[1] is False else "<"
        table = np.frombuffer(table, np.uint8 if is_bytes else f"{order}u2")
    table = np.atleast_1d(np.asarray(table, np.int64)) & 0xFFFF
    if table.size < num_entries:
        raise InputError(
            f"(0028,3006) LUTData has {table.size} entries, its (0028,3002) "
            f"LUTDescriptor says {num_entries}."
        )
    return table[np.clip(values - first, 0, num_entries - 1)], bits


def _check_is_one_grey_image(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        raise InputError("has no (7FE0,0010) PixelData, so it is not an image.")
    frames = dataset.get("NumberOfFrames") or 1
    if frames != 1:
        raise InputError(
            f"(0028,0008) NumberOfFrames is {frames}; only single frames are read."
        )
    photometric = dataset.get("PhotometricInterpretation")
    if dataset.get("SamplesPerPixel", 1) != 1 or photometric not in (
        "MONOCHROME1",
        "MONOCHROME2",
    ):
        raise InputError(
            f"(0028,0004) PhotometricInterpretation is {photometric}; only greyscale "
            "(MONOCHROME1, MONOCHROME2) is read."
        )
    if dataset.get("BitsAllocated") not in (8, 16):
        raise InputError(
            f"(0028,0100) BitsAllocated is {dataset.get('BitsAllocated')}; only 8 and "
            "16 are read."
        )
    rows, columns = dataset.get("Rows") or 0, dataset.get("Columns") or 0
    if not 0 < rows * columns <= _MAX_PIXELS:
        raise InputError(
            f"(0028,0010) Rows x (0028,0011) Columns is {rows} x {columns}; images of "
            f"1 to {_MAX_PIXELS:,} pixels are read."
        )
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if syntax is None:
        raise InputError(
            "has no (0002,0010) TransferSyntaxUID, so it cannot be decoded."
        )
    if syntax.is_compressed and not pydicom.pixels.get_decoder(syntax).is_available:
        raise InputError(
            f"(0002,0010) TransferSyntaxUID is {syntax.name}, for which no decoder is "
            "installed; install pylibjpeg with its plugins, or decompress the file."
        )


def _first(dataset: Dataset, keyword: str) -> Any:
    """Returns the first value of an attribute, None when it is absent or empty."""
    element = dataset.get(keyword)
    if isinstance(element, pydicom.multival.MultiValue):
        return element[0] if element else None
    return element


@contextlib.contextmanager
def _refusal(path: Path, problem: str) -> Iterator[None]:
    """Turns whatever a damaged file makes the decoders raise into one sentence."""
    try:
        with _quiet():
            yield
    except MemoryError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except pydicom.errors.InvalidDicomError:
        raise InputError(
            f"{path}: is not a DICOM, PNG or TIFF file (no DICM after 128 bytes)."
        ) from None
    except Exception as error:  # noqa: BLE001 - damage surfaces as any exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: {problem} ({reason}).") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences pydicom's warnings: they quote attributes; errors are reported here."""
    logger = logging.getLogger("pydicom")
    was_disabled = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled
