"""The display chain, by hand and against pydicom."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from gastritis_gan.cohort.dicom.display import (
    apply_lut,
    apply_modality_lut,
    apply_window,
    percentile_range,
)
from gastritis_gan.errors import InputError
from tests.helpers.cohorts import grey_dataset

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def _lut(entries, *, first=0, bits=16, vr="US") -> Dataset:
    item = Dataset()
    item.add_new(
        "LUTDescriptor", "SS" if first < 0 else "US", [len(entries), first, bits]
    )
    item.add_new("LUTData", vr, entries)
    return item


@pytest.mark.parametrize(
    ("function", "center", "width", "value", "expected"),
    [
        # PS3.3 C.11.2.1.2.1, note 3: c=2048, w=4096 maps 0 to black and 4095 to white
        ("LINEAR", 2048, 4096, 0, 0.0),
        ("LINEAR", 2048, 4096, 4095, 1.0),
        ("LINEAR", 2048, 4096, 1365, 1 / 3),
        # note 3: c=0, w=100 reaches black at -50 and white at 49
        ("LINEAR", 0, 100, -50, 0.0),
        ("LINEAR", 0, 100, 49, 1.0),
        ("LINEAR", 0, 100, -49, 1 / 99),
        # note 3: c=0, w=1 is a threshold: black up to -1, white from 0
        ("LINEAR", 0, 1, -1, 0.0),
        ("LINEAR", 0, 1, 0, 1.0),
        # C.11.2.1.3.2, note: c=0, w=100 reaches black at -50 and white at 50
        ("LINEAR_EXACT", 0, 100, -50, 0.0),
        ("LINEAR_EXACT", 0, 100, 50, 1.0),
        ("LINEAR_EXACT", 0, 100, 25, 0.75),
        # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w))
        ("SIGMOID", 10, 4, 10, 0.5),
        ("SIGMOID", 10, 4, 11, 0.7310585786300049),
        ("SIGMOID", 10, 4, -100000, 0.0),
    ],
)
def test_windows_worked_by_hand(function, center, width, value, expected):
    shown = apply_window(
        np.array([value]), center=center, width=width, function=function
    )
    assert shown[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(function):
    dataset = grey_dataset(
        RAMP.astype(np.uint16),
        BitsStored=12,
        WindowCenter=1000.5,
        WindowWidth=701,
        VOILUTFunction=function,
    )
    values = np.arange(4096)
    expected = apply_windowing(values, dataset) / 4095
    shown = apply_window(values, center=1000.5, width=701, function=function)
    np.testing.assert_allclose(shown, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "width", "message"),
    [
        ("LINEAR", 0.5, "WindowWidth must be at least 1"),
        ("SIGMOID", 0, "WindowWidth must be at least 1"),
        ("LINEAR_EXACT", -3, "WindowWidth must be at least 1"),
        ("LINEAR", float("nan"), "finite"),
        ("CUBIC", 10, "VOILUTFunction must be one of LINEAR.*'CUBIC'"),
    ],
)
def test_impossible_windows_are_refused(function, width, message):
    with pytest.raises(InputError, match=message):
        apply_window(np.arange(4), center=1, width=width, function=function)


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_tables_clamp_at_both_ends(vr):
    entries = [10, 20, 40, 255]
    data = np.array(entries, "<u2").tobytes() if vr == "OW" else entries
    item = _lut(entries, first=-1, bits=8)
    item.add_new("LUTData", vr, data)
    dataset = grey_dataset(RAMP)
    dataset.ModalityLUTSequence = [item]
    values = np.array([-7, -1, 0, 1, 2, 90])
    expected = [10, 10, 20, 40, 255, 255]
    assert apply_modality_lut(values, dataset).tolist() == expected
    np.testing.assert_allclose(apply_lut(values, item, dataset) * 255, expected)


def test_a_table_of_4096_bytes_maps_12_bits_to_8():
    # more entries than an 8-bit index can name, packed as bytes in OW
    entries = (np.arange(4096) // 16).astype(np.uint8)
    item = _lut([0] * 4096, bits=8)
    item.add_new("LUTData", "OW", entries.tobytes())
    values = np.array([0, 15, 16, 2048, 4095, 5000])
    shown = apply_lut(values, item, grey_dataset(RAMP)) * 255
    np.testing.assert_allclose(shown, [0, 0, 1, 128, 255, 255])


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_of_a_histogram_are_those_of_the_pixels(seed):
    rng = np.random.default_rng(seed)
    values = rng.permutation(50) * 0.5 - 7
    counts = rng.integers(0, 9, 50)
    expected = np.percentile(np.repeat(values, counts), [3, 90], method="inverted_cdf")
    assert percentile_range(values, counts, (3, 90)) == tuple(expected)


def test_percentiles_that_coincide_give_the_whole_range():
    values, counts = np.array([5, 1, 9]), np.array([1000, 1, 1])
    assert percentile_range(values, counts, (0.5, 99.5)) == (1, 9)


@pytest.mark.parametrize("seed", range(8))
def test_modality_and_voi_tables_agree_with_pydicom(seed):
    rng = np.random.default_rng(seed)
    bits = (8, 16)[seed % 2]  # pydicom reads no other depth of a modality table
    entries = rng.integers(0, 1 << bits, int(rng.integers(2, 300)))
    item = _lut(entries.tolist(), first=int(rng.integers(0, 200)), bits=bits)
    # for 8 bits pydicom wraps what is beyond an entry 255 of a VOI table
    values = np.arange(256 if bits == 8 else 600, dtype=np.int32)
    dataset = grey_dataset(RAMP, ModalityLUTSequence=[item])
    expected = pydicom.pixels.apply_modality_lut(values, dataset)
    np.testing.assert_array_equal(apply_modality_lut(values, dataset), expected)
    dataset = grey_dataset(RAMP, VOILUTSequence=[item])
    expected = pydicom.pixels.apply_voi_lut(values, dataset) / (2**bits - 1)
    np.testing.assert_allclose(apply_lut(values, item, dataset), expected, atol=1e-12)


def test_rescale_agrees_with_pydicom():
    values = np.arange(-700, 700)
    dataset = grey_dataset(RAMP, RescaleSlope="0.37", RescaleIntercept="-1024.5")
    expected = pydicom.pixels.apply_modality_lut(values, dataset)
    np.testing.assert_allclose(apply_modality_lut(values, dataset), expected)
