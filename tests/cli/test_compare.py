from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main


def make_result(positive_votes, **changes):
    """A result on 20 images of 20 patients with 5 patches each, half positive."""
    row = {
        "name": "LC-PGGAN",
        "harmonic_mean": 0.5,
        "positive_votes": positive_votes,
        "mean_scores": [0.0] * 20,
    }
    return {
        "format": 2,
        "store": {"split_hash": "a"},
        "protocol": {"seed": 0, "svm_c": 1.0},
        "images": [
            {
                "key": f"i{number}",
                "patient": number,
                "label": "positive" if number < 10 else "negative",
                "patches": 5,
            }
            for number in range(20)
        ],
        "extractors": [
            {
                "extractor": {"name": "texture", "dim": 43},
                "rows": [row, row | {"name": "Real data (Ideal)"}],
            }
        ],
        **changes,
    }


@pytest.fixture
def compare(tmp_path):
    def run(first, second):
        for name, result in (("first", first), ("second", second)):
            (tmp_path / name).mkdir()
            (tmp_path / name / "results.json").write_text(json.dumps(result))
        arguments = ["compare", str(tmp_path / "first"), str(tmp_path / "second")]
        return CliRunner().invoke(main, arguments)

    return run


def test_a_row_is_compared_on_the_same_patients(compare):
    # The first is all right; the second misses five of ten positives.
    first = make_result([5] * 10 + [0] * 10)
    second = make_result([5] * 5 + [0] * 15, protocol={"seed": 0, "svm_c": 0.1})
    result = compare(first, second)
    assert result.exit_code == 0, result.output
    line = next(x for x in result.output.splitlines() if x.startswith("| LC-PGGAN"))
    # HM 1 against 2 * 0.5 / 1.5; the bootstrap's 2 and 8 of 10 missed.
    assert "| 0.333 (0.111 to 0.667) |" in line
    assert "| 5 : 0 of 20 | 0.0625 |" in line
    assert "20 test images (10 positive, 10 negative) of 20 patients" in result.output
    assert "They differ in `svm_c` (1.0 and 0.1)." in result.output
    assert "| Real data (Ideal) |" in result.output


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"store": {"split_hash": "b"}}, "different test images"),
        ({"extractors": []}, "no extractor with the same features"),
        ({"format": 1}, "not a GAN-train result of format 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(compare, changes, sentence):
    votes = [5] * 10 + [0] * 10
    result = compare(make_result(votes), make_result(votes, **changes))
    assert result.exit_code == 2
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_folder_without_a_result_is_refused(tmp_path):
    result = CliRunner().invoke(main, ["compare", str(tmp_path), str(tmp_path)])
    assert result.exit_code == 2
    assert "results.json does not exist" in result.output
