"""The display chain of PS3.3, pixel by pixel, from the text and with NumPy only."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset


def displayed(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Returns what a display shows, 0 to 255, not rounded.

    Args:
        dataset: The attributes; of a multi-frame file those of one frame.
        stored: ndarray of int of shape (height, width).
    """
    values = stored.astype(np.float64)
    unsigned = False
    is_xrf = dataset.SOPClassUID == "1.2.840.10008.5.1.4.1.1.12.2"  # C.8.7.1.1.2
    if dataset.get("ModalityLUTSequence") and not is_xrf:  # C.11.1.1
        values, _ = _table(dataset.ModalityLUTSequence[0], values, False, dataset)
        unsigned = True
    elif "RescaleSlope" in dataset:
        values = values * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    padding = np.zeros(stored.shape, bool)
    if "PixelPaddingValue" in dataset:  # C.7.5.1.1.2
        ends = [dataset.PixelPaddingValue, dataset.get("PixelPaddingRangeLimit")]
        ends = np.array([end for end in ends if end is not None]).astype("u2")
        ends = ends.astype("i2" if dataset.PixelRepresentation else "u2").astype(int)
        padding = (stored >= ends.min()) & (stored <= ends.max())
    if dataset.get("VOILUTSequence"):  # C.11.2.1.1
        signed = not unsigned and _may_be_negative(dataset)
        entries, bits = _table(dataset.VOILUTSequence[0], values, signed, dataset)
        grey = entries / (2.0**bits - 1)
    elif dataset.get("WindowWidth") is not None:
        center = float(np.atleast_1d(dataset.WindowCenter)[0])
        width = float(np.atleast_1d(dataset.WindowWidth)[0])
        grey = _window(values, center, width, dataset.get("VOILUTFunction") or "LINEAR")
    else:  # the project's own rule
        seen = np.sort(values[~padding])
        low, high = (seen[int(np.ceil(p / 100 * seen.size)) - 1] for p in (0.5, 99.5))
        if low == high:
            low, high = seen[0], seen[-1]
        grey = (values - low) / (high - low)
    grey = np.clip(grey, 0.0, 1.0)
    if dataset.PhotometricInterpretation == "MONOCHROME1":  # C.7.6.3.1.2
        grey = 1.0 - grey
    return np.where(padding, 0.0, grey) * 255


def _window(values, center, width, function):
    if function == "SIGMOID":  # C.11.2.1.3.1
        return 1 / (1 + np.exp(-4 * (values - center) / width))
    if function == "LINEAR_EXACT":  # C.11.2.1.3.2
        return (values - center) / width + 0.5
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # C.11.2.1.2.1
        grey = (values - (center - 0.5)) / (width - 1) + 0.5
    return np.where(values <= low, 0.0, np.where(values > high, 1.0, grey))


def _may_be_negative(dataset):
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation
    ends = np.array(
        [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if signed else [0, 2**bits]
    )
    slope = float(dataset.get("RescaleSlope", 1))
    return (ends * slope + float(dataset.get("RescaleIntercept", 0))).min() < 0


def _table(item, values, signed, dataset):
    number, first, bits = (int(value) & 0xFFFF for value in item.LUTDescriptor)
    if signed or (dataset.PixelRepresentation and "VOILUTSequence" not in dataset):
        first -= 0x10000 * (first >= 0x8000)
    data = item.LUTData
    if isinstance(data, bytes):
        is_big = dataset.original_encoding[1] is False
        data = np.frombuffer(data, ">u2" if is_big else "<u2")
    entries = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    if entries.size < (number or 0x10000):  # 8 bits, two in a word
        entries = np.stack([entries & 0xFF, entries >> 8], axis=1).ravel()
    place = np.clip(np.rint(values) - first, 0, (number or 0x10000) - 1).astype(int)
    return entries[place].astype(np.float64), bits
