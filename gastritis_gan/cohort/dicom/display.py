"""The display chain of PS3.3 as pure functions of stored values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from gastritis_gan.cohort.cohort import quoting
from gastritis_gan.cohort.dicom.header import name_of, values_of
from gastritis_gan.errors import InputError

# What the functions below read of a data set.
DISPLAY_KEYWORDS = (
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "VOILUTSequence",
    "VOILUTFunction",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PresentationLUTShape",
    "SOPClassUID",
)
# Their Modality LUT leads back to the beam's intensity, and is not for display
# (PS3.3 C.8.7.1.1.2).
_WITHOUT_MODALITY_LUT = (
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
    "1.2.840.10008.5.1.4.1.1.12.3",  # biplane, retired
)
# PS3.3 C.8.11.3: what a display does last, by what the lowest value is meant to be.
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}
_PERCENTILES = (0.5, 99.5)  # black and white of a file that names no window


def display_values(
    stored_values: np.ndarray,
    counts: np.ndarray,
    dataset: Dataset,
    *,
    window: int | str | None = None,
) -> np.ndarray:
    """Maps stored values to what a display shows.

    Args:
        stored_values: ndarray of int of shape (n,), distinct stored values.
        counts: ndarray of int of shape (n,), how many pixels have each value.
        dataset: The attributes of the chain.
        window: Which VOI LUT or window to apply, by its number from 1 or by its
            explanation; None for the first, or what the values fill if there is none.

    Returns:
        ndarray of float64 of shape (n,) in [0, 1]; 0 is black, and so is padding.

    Raises:
        InputError: An attribute of the chain has an impossible value.
    """
    if dataset.PhotometricInterpretation == "RGB":  # the chain is of monochrome images
        full_range: np.ndarray = stored_values / ((1 << dataset.BitsStored) - 1)
        return full_range
    padding = is_padding(stored_values, dataset)
    counts = np.where(padding, 0, counts)
    if not counts.any():
        raise InputError(
            "(7FE0,0010) PixelData is nothing but (0028,0120) PixelPaddingValue."
        )
    values = apply_modality_lut(stored_values, dataset)
    tables = _items(dataset, "VOILUTSequence")
    windows = _windows(dataset)
    if tables:
        explanations = [str(item.get("LUTExplanation") or "") for item in tables]
        chosen = choose("(0028,3010) VOILUTSequence", explanations, window)
        shown = apply_lut(values, tables[chosen], dataset)
    elif windows or window is not None:
        explanations = [
            str(text or "")
            for text in values_of(dataset, "WindowCenterWidthExplanation")
        ]
        explanations += [""] * len(windows)
        chosen = choose(
            "(0028,1050) WindowCenter", explanations[: len(windows)], window
        )
        center, width = windows[chosen]
        function = values_of(dataset, "VOILUTFunction") or ["LINEAR"]
        shown = apply_window(
            values,
            center=center,
            width=width,
            function=str(function[0]),
        )
    else:
        shown = stretch(values, *percentile_range(values, counts, _PERCENTILES))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1.0 - shown
    return np.where(padding, 0.0, shown)


def notes_of_attributes(dataset: Dataset) -> list[str]:
    """Says which attributes contradict the others; they do not change the display."""
    notes: list[str] = []
    if dataset.PhotometricInterpretation == "RGB":
        return notes
    padding = _padding_range(dataset)
    lowest, highest = _stored_range(dataset)
    if padding and not (lowest <= padding[0] and padding[1] <= highest):
        notes.append(
            "state a (0028,0120) PixelPaddingValue, or a limit of it, that no pixel of "
            "their (0028,0101) BitsStored has."
        )
    shape = values_of(dataset, "PresentationLUTShape")
    if shape and shape[0] != _SHAPES[dataset.PhotometricInterpretation]:
        notes.append(
            "state a (2050,0020) PresentationLUTShape that contradicts their (0028,"
            "0004) PhotometricInterpretation, by which alone they are shown."
        )
    counts = [len(values_of(dataset, name)) for name in ("WindowCenter", "WindowWidth")]
    if counts[0] != counts[1] and not _items(dataset, "VOILUTSequence"):
        notes.append(
            "have not as many (0028,1050) WindowCenter as (0028,1051) WindowWidth; "
            "those without a partner are ignored."
        )
    return notes


def _windows(dataset: Dataset) -> list[tuple[object, object]]:
    """Returns the pairs of WindowCenter and WindowWidth."""
    centers = values_of(dataset, "WindowCenter")
    return list(zip(centers, values_of(dataset, "WindowWidth"), strict=False))


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    return [item for sequence in values_of(dataset, keyword) for item in sequence]


def _modality_tables(dataset: Dataset) -> list[Dataset]:
    if dataset.get("SOPClassUID") in _WITHOUT_MODALITY_LUT:
        return []
    return _items(dataset, "ModalityLUTSequence")


def _number(keyword: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise quoting(f"{name_of(keyword)} must be a finite number.", value)
    return number


def _stored_range(dataset: Dataset) -> tuple[int, int]:
    """Returns the smallest and the largest value that a pixel can have."""
    num_values = 1 << dataset.BitsStored
    lowest = -num_values // 2 if dataset.PixelRepresentation == 1 else 0
    return lowest, lowest + num_values - 1


def apply_modality_lut(stored_values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Applies the Modality LUT, or the rescale, or neither (PS3.3 C.11.1).

    Returns:
        ndarray of int64 or float64 of the same shape.

    Raises:
        InputError: The table is malformed, or the rescale is impossible.
    """
    for item in _modality_tables(dataset):
        return _look_up(stored_values, item, _stored_range(dataset))[0]
    rescale = {}
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        values = values_of(dataset, keyword)
        if len(values) > 1:
            raise quoting(f"{name_of(keyword)} must be a finite number.", values)
        if values:
            rescale[keyword] = _number(keyword, values[0])
    if not rescale:
        return stored_values
    # One without the other means something only where it changes nothing.
    neutral = {"RescaleSlope": 1.0, "RescaleIntercept": 0.0}
    if len(rescale) == 1 and not rescale.items() <= neutral.items():
        raise InputError(
            "has only one of (0028,1053) RescaleSlope and (0028,1052) RescaleIntercept."
        )
    slope = rescale.get("RescaleSlope", 1.0)
    if slope == 0:
        raise InputError(
            "(0028,1053) RescaleSlope is 0, which makes one value of all; have the "
            "file exported again."
        )
    return stored_values * slope + rescale.get("RescaleIntercept", 0.0)


def apply_lut(values: np.ndarray, item: Dataset, dataset: Dataset) -> np.ndarray:
    """Applies a VOI LUT (PS3.3 C.11.2.1.1).

    Args:
        values: ndarray of int or float; rounded to the table's integers.
        item: An item of VOILUTSequence.
        dataset: The data set that holds it; says what values are possible.

    Returns:
        ndarray of float64 of the same shape in [0, 1].

    Raises:
        InputError: The table is malformed.
    """
    ends = np.array(_stored_range(dataset))
    for modality in _modality_tables(dataset):
        possible = (0, (1 << _look_up(ends, modality, (0, 0))[1]) - 1)
        break
    else:
        lowest, highest = np.sort(apply_modality_lut(ends, dataset))
        possible = (lowest, highest)
    integers = np.rint(np.clip(values, -(1 << 40), 1 << 40)).astype(np.int64)
    entries, bits = _look_up(integers, item, possible)
    shown: np.ndarray = np.clip(entries / (2**bits - 1), 0.0, 1.0)
    return shown


def apply_window(
    values: np.ndarray, *, center: object, width: object, function: str
) -> np.ndarray:
    """Applies a window (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Args:
        values: ndarray of int or float, after the Modality LUT.
        center: WindowCenter, a number.
        width: WindowWidth, a number.
        function: VOILUTFunction: LINEAR, LINEAR_EXACT or SIGMOID.

    Returns:
        ndarray of float64 of the same shape in [0, 1].

    Raises:
        InputError: The width or the function is impossible.
    """
    center, width = _number("WindowCenter", center), _number("WindowWidth", width)
    least = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}
    if function not in least:
        raise quoting(
            f"(0028,1056) VOILUTFunction must be one of {', '.join(least)}.", function
        )
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
    values: np.ndarray, item: Dataset, possible: tuple[float, float]
) -> tuple[np.ndarray, int]:
    """Returns table entries for integer `values`, and the bits of an entry.

    Args:
        values: ndarray of int.
        item: Holds LUTDescriptor and LUTData.
        possible: The smallest and the largest value that the table may be given.
    """
    descriptor = values_of(item, "LUTDescriptor")
    if len(descriptor) != 3:
        raise quoting("(0028,3002) LUTDescriptor must have three values.", descriptor)
    # PS3.3 C.11.1.1.1: 0 stands for 65,536; the count and the entries are unsigned,
    # though the attributes of signed pixels are read as signed.
    num_entries, first, bits = (int(number) & 0xFFFF for number in descriptor)
    num_entries = num_entries or 1 << 16
    if not 8 <= bits <= 16:
        raise InputError(
            f"(0028,3002) LUTDescriptor must give 8 to 16 bits per entry. Received: "
            f"{bits}."
        )
    table = _entries(item, num_entries, bits)
    if table.size < num_entries:
        raise InputError(
            f"(0028,3006) LUTData has {table.size} entries, its (0028,3002) "
            f"LUTDescriptor states {num_entries}."
        )
    table = table[:num_entries]
    if table.max() >> bits:
        raise InputError(
            f"(0028,3006) LUTData has entries of more than the {bits} bits that its "
            "(0028,3002) LUTDescriptor states."
        )
    # C.11.1.1 and C.11.2.1.1: the first value mapped is signed where the values may be
    # negative. Files break that, so the other sense is taken where this one fits none.
    senses = [(first ^ 0x8000) - 0x8000, first]
    lowest, highest = possible
    for start in senses if lowest < 0 else senses[::-1]:
        if start <= highest and lowest < start + num_entries:
            first = start
            break
    return table[np.clip(values - first, 0, num_entries - 1)], bits


def _entries(item: Dataset, num_entries: int, bits: int) -> np.ndarray:
    """Returns LUTData as ndarray of int64; it may be longer than it should be."""
    data = values_of(item, "LUTData")
    if len(data) == 1 and isinstance(data[0], bytes):
        order = ">" if item.original_encoding[1] is False else "<"
        words = np.frombuffer(data[0] + bytes(len(data[0]) % 2), f"{order}u2")
    else:
        words = np.array(data, np.int64) & 0xFFFF
    if bits == 8 and words.size < num_entries:  # two entries a word, the low one first
        words = words.astype("<u2").view(np.uint8)
    return words.astype(np.int64)


def is_padding(stored_values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Marks the stored values that are padding (PS3.3 C.7.5.1.1.2).

    They are PixelPaddingValue or, with a PixelPaddingRangeLimit, all between the two.

    Args:
        stored_values: ndarray of int.
        dataset: The attributes of the image.

    Returns:
        ndarray of bool of the same shape.

    Raises:
        InputError: The values are not whole numbers.
    """
    padding = _padding_range(dataset)
    if padding is None:
        return np.zeros(stored_values.shape, bool)
    is_inside: np.ndarray = (padding[0] <= stored_values) & (
        stored_values <= padding[1]
    )
    return is_inside


def _padding_range(dataset: Dataset) -> tuple[int, int] | None:
    """Returns the smallest and the largest value of padding, None without any.

    Files often write -2000 as 63536; bits above BitsStored are not cleared, for then a
    value that no pixel has would be one that pixels have.
    """
    value = values_of(dataset, "PixelPaddingValue")
    if not value or dataset.PhotometricInterpretation == "RGB":
        return None
    ends = [*value, *values_of(dataset, "PixelPaddingRangeLimit")]
    if len(value) > 1 or len(ends) > 2 or not all(isinstance(end, int) for end in ends):
        raise quoting(
            "(0028,0120) PixelPaddingValue and (0028,0121) PixelPaddingRangeLimit must "
            "be whole numbers.",
            ends,
        )
    words = [end & 0xFFFF for end in ends]
    if dataset.PixelRepresentation == 1:
        words = [(word ^ 0x8000) - 0x8000 for word in words]
    return min(words), max(words)


def choose(what: str, explanations: Sequence[str], wanted: int | str | None) -> int:
    """Returns the position of the wanted one.

    Args:
        what: Tag and keyword of what there are several of.
        explanations: The explanation of each, empty where the file gives none.
        wanted: Its number, from 1; or its explanation, in any case of letters; None for
            the first.

    Raises:
        InputError: There is none of that number, or not exactly one so explained.
    """
    if wanted is None:
        return 0
    if isinstance(wanted, int):
        found = [wanted - 1] if 1 <= wanted <= len(explanations) else []
    else:
        name = wanted.strip().casefold()
        texts = [explanation.strip().casefold() for explanation in explanations]
        found = [position for position, text in enumerate(texts) if text == name]
    if len(found) != 1:
        raise InputError(
            f"{what} has {len(explanations)} item(s), and {len(found)} of them match "
            f"{wanted!r}; choose another by `--window`, or leave it out to take the "
            "first."
        )
    return found[0]
