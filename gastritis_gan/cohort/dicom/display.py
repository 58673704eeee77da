"""The display chain of PS3.3 as pure functions of stored values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset

from gastritis_gan.cohort.cohort import quoting
from gastritis_gan.cohort.dicom.header import values_of
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
)
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
    padding = is_padding(stored_values, dataset)
    counts = np.where(padding, 0, counts)
    if not counts.any():
        raise InputError(
            "(7FE0,0010) PixelData is nothing but (0028,0120) PixelPaddingValue."
        )
    values = apply_modality_lut(stored_values, dataset)
    tables = dataset.get("VOILUTSequence") or []
    windows = list(
        zip(
            values_of(dataset, "WindowCenter"),
            values_of(dataset, "WindowWidth"),
            strict=False,
        )
    )
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
        shown = apply_window(
            values,
            center=float(center),
            width=float(width),
            function=str(dataset.get("VOILUTFunction") or "LINEAR"),
        )
    else:
        shown = stretch(values, *percentile_range(values, counts, _PERCENTILES))
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1.0 - shown
    return np.where(padding, 0.0, shown)


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
        dataset: The data set that holds it; has the byte order.

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
        raise quoting(
            f"(0028,1056) VOILUTFunction must be one of {', '.join(least)}.", function
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
            f"LUTDescriptor states {num_entries}."
        )
    return table[np.clip(values - first, 0, num_entries - 1)], bits


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
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored_values.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    try:
        ends = [
            _as_stored(int(end), dataset) for end in (value, limit) if end is not None
        ]
    except (TypeError, ValueError):
        raise quoting(
            "(0028,0120) PixelPaddingValue and (0028,0121) PixelPaddingRangeLimit must "
            "be whole numbers.",
            (value, limit),
        ) from None
    padding: np.ndarray = (stored_values >= min(ends)) & (stored_values <= max(ends))
    return padding


def _as_stored(value: int, dataset: Dataset) -> int:
    """Reads a value as the pixels are: files often write -2000 as 63536."""
    bits = dataset.BitsStored
    value &= (1 << bits) - 1
    if dataset.PixelRepresentation == 1 and value >> (bits - 1):
        value -= 1 << bits
    return value


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
