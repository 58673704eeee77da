from __future__ import annotations

import numpy as np
import pytest

from gastritis_gan.cohort.coco_rle import decode_counts, fill_runs


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
