from __future__ import annotations

import json

import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.evaluation.compare import compare
from gastritis_gan.evaluation.results import GanTrainResult
from tests.helpers.gan_train_results import make_result


def test_a_row_is_compared_on_the_same_patients(tmp_path):
    # The first is all right; the second misses five of ten positives.
    first = make_result([5] * 10 + [0] * 10)
    second = make_result([5] * 5 + [0] * 15, protocol={"seed": 0, "svm_c": 0.1})
    result = compare(GanTrainResult(first), GanTrainResult(second))
    line = next(x for x in result.table.splitlines() if x.startswith("| LC-PGGAN"))
    # HM 1 against 2 * 0.5 / 1.5; the bootstrap's 2 and 8 of 10 missed.
    assert "| 0.333 (0.111 to 0.667) |" in line
    assert "| 5 : 0 of 20 | 0.0625 |" in line
    assert "20 test images (10 positive, 10 negative) of 20 patients" in result.table
    assert "They differ in `svm_c` (1.0 and 0.1)." in result.table
    assert "| Real data (Ideal) |" in result.table
    result.save(tmp_path / "comparison")
    saved = json.loads((tmp_path / "comparison" / "comparison.json").read_text())
    (entry,) = saved["extractors"]
    assert entry["rows"][0]["harmonic_mean_difference"] == pytest.approx(1 / 3)
    written = (tmp_path / "comparison" / "comparison.md").read_text()
    assert written == result.table


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"store": {"split_hash": "b"}}, "different test images"),
        ({"extractors": []}, "no extractor with the same features"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes, sentence):
    votes = [5] * 10 + [0] * 10
    first, second = make_result(votes), make_result(votes, **changes)
    with pytest.raises(InputError, match=sentence):
        compare(GanTrainResult(first), GanTrainResult(second))
