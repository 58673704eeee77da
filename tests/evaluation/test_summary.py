from __future__ import annotations

import json

import numpy as np
import pytest

from gastritis_gan.evaluation.labelled_image import LabelledImage
from gastritis_gan.evaluation.row_votes import RowVotes
from gastritis_gan.evaluation.summary import summarize_row
from gastritis_gan.evaluation.tables import markdown_tables


@pytest.fixture
def summary():
    images = [
        LabelledImage(
            key=f"image{number}",
            patient=f"patient{number}",
            positive=number < 4,
            num_patches=4,
            read_patches=lambda: None,
        )
        for number in range(6)
    ]
    row = RowVotes(
        name="LC-PGGAN",
        num_positive=5000,
        num_negative=5000,
        converged=True,
        positive_votes=np.array([4, 3, 2, 1, 2, 0]),
    )
    return summarize_row(row, images, seed=0)


def test_figures_worked_by_hand(summary):
    # 4, 3 and the tie 2 are positive; the negative image with 2 of 4 is wrong.
    assert summary["true_positives"] == 3
    assert summary["false_negatives"] == 1
    assert summary["false_positives"] == 1
    assert summary["true_negatives"] == 1
    assert summary["ties"] == 2
    assert summary["sensitivity"] == 0.75
    assert summary["specificity"] == 0.5
    assert summary["harmonic_mean"] == pytest.approx(0.6)
    assert summary["sensitivity_interval"] == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert json.loads(json.dumps(summary))["positive_votes"] == [4, 3, 2, 1, 2, 0]


def test_table_has_the_papers_columns_and_every_row_its_n(summary):
    results = {
        "store": {
            "positive": "gastritis",
            "negative": "non_gastritis",
            "test_patients": 6,
            "test_images": 6,
            "test_positive_images": 4,
            "test_negative_images": 2,
            "excluded_images": 1,
        },
        "protocol": {"resolution": 32, "vote": "inside"},
        "notes": ["There is no pggan generator."],
        "extractors": [
            {
                "extractor": {"name": "vgg16_fc2", "dim": 4096},
                "rows": [{**summary, "svm_converged": False}],
            }
        ],
    }
    table = markdown_tables(results)
    header, rule, row = (line for line in table.splitlines() if line.startswith("|"))
    assert header.split(" | ")[2:5] == ["Sen", "Spe", "HM"]
    assert header.count("|") == rule.count("|") == row.count("|")
    assert row.startswith("| LC-PGGAN | 5,000 + 5,000 | 0.750 (0.301-0.954) | 0.500 (")
    assert row.endswith("| 3 | 1 | 1 | 1 | 2 |")
    assert "## vgg16_fc2 (4,096 features)" in table
    assert "6 real test images (4 gastritis, 2 non_gastritis) of 6 patients" in table
    assert "left out because no patch votes: 1." in table
    assert "- There is no pggan generator." in table
    assert "The SVM of LC-PGGAN stopped before it converged." in table
