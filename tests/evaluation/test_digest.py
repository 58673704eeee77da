"""What commands print of results: short tables and a conclusion."""

from __future__ import annotations

import copy

import pytest

from gastritis_gan.evaluation.compare import compare
from gastritis_gan.evaluation.digest import (
    comparison_digest,
    gan_train_digest,
    image_metrics_digest,
    text_table,
)
from gastritis_gan.evaluation.results import GanTrainResult
from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from tests.helpers.gan_train_results import make_result, make_table_results


def difference(first, second, value, low, high):
    return {
        "first": first,
        "second": second,
        "harmonic_mean_difference": value,
        "harmonic_mean_difference_interval": (low, high),
    }


@pytest.fixture
def results():
    """Two kinds of features; those of the first serve real data best, HM 0.9."""
    results = make_table_results()
    (evaluation,) = results["extractors"]
    evaluation["differences"] = [
        difference("LC-PGGAN", "PGGAN", 0.1, -0.1, 0.3),
        difference("LC-PGGAN", REAL_DATA_ROW, -0.3, -0.5, -0.1),
        difference("PGGAN", REAL_DATA_ROW, -0.4, -0.6, -0.2),
    ]
    other = copy.deepcopy(evaluation)
    other["extractor"] = {"name": "texture", "dim": 43}
    other["rows"][-1]["harmonic_mean"] = 0.55
    results["extractors"].append(other)
    return results


def lines_of(text):
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    return [" ".join(line.split()) for line in lines]


def test_a_row_has_its_three_metrics_and_the_words_stand_once(results):
    lines = lines_of(gan_train_digest(results))
    text = " ".join(lines)

    assert text.count("sensitivity") == text.count("specificity") == 1
    assert "6 real test images (4 gastritis, 2 non_gastritis) of 6 patients" in text
    assert lines.count("trained on Sen Spe HM") == 2
    assert "There is no pggan generator." in lines
    row = (
        "LC-PGGAN 0.750 (0.301 to 0.954) 0.500 (0.095 to 0.905) 0.600 (0.400 to 0.800)"
    )
    assert lines.count(row) == 2


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (
            ("LC-PGGAN", REAL_DATA_ROW, -0.3, -0.5, -0.1),
            "-0.300 (-0.500 to -0.100): worse",
        ),
        (
            (REAL_DATA_ROW, "LC-PGGAN", 0.3, 0.1, 0.5),
            "-0.300 (-0.500 to -0.100): worse",
        ),
        (("LC-PGGAN", REAL_DATA_ROW, 0.2, 0.1, 0.4), "0.200 (0.100 to 0.400): better"),
        (
            ("LC-PGGAN", REAL_DATA_ROW, -0.1, -0.3, 0.0),
            "-0.100 (-0.300 to 0.000): no difference is shown on 6 patients.",
        ),
    ],
)
def test_the_conclusion_is_what_the_interval_says(results, entry, found):
    results["extractors"][0]["differences"][1] = difference(*entry)
    text = " ".join(lines_of(gan_train_digest(results)))

    assert "with vgg16_fc2 features, which serve real data best" in text
    assert "samples (LC-PGGAN) reach HM 0.600, real data 0.900" in text
    assert found in text


def test_real_data_alone_is_said_to_be_alone(results):
    for evaluation in results["extractors"]:
        evaluation["rows"] = evaluation["rows"][-1:]
        evaluation["differences"] = []
    text = " ".join(lines_of(gan_train_digest(results)))

    assert "Real data reaches HM 0.900 with vgg16_fc2 features" in text
    assert "no generators were measured" in text


def test_permuted_labels_that_are_recognised_are_a_warning(results):
    for evaluation, is_at_chance in zip(
        results["extractors"], (True, False), strict=True
    ):
        permuted = {"is_at_chance": is_at_chance}
        evaluation["controls"] = {"permuted_labels": permuted}
    text = " ".join(lines_of(gan_train_digest(results)))

    assert "with permuted labels texture features are not at chance" in text


def test_several_runs_are_one_line(results):
    for evaluation in results["extractors"]:
        rows = evaluation["rows"]
        rows.insert(1, rows[0] | {"generator_seed": 4})
        mean = {"name": "LC-PGGAN", "num_runs": 2, "harmonic_mean": 0.4}
        evaluation["means"] = [mean | {"harmonic_mean_interval": (0.1, 0.7)}]
    lines = lines_of(gan_train_digest(results))

    assert sum(line.startswith("LC-PGGAN (2 runs) ") for line in lines) == 2
    assert "0.400 (0.100 to 0.700)" in "\n".join(lines)


def test_a_name_gives_way_where_the_table_is_too_wide():
    table = text_table(("name", "b"), [("n" * 200, "x" * 60), ("short", "y")])
    first, second, third = table.splitlines()

    assert len(second) == 100
    assert second.endswith("…  " + "x" * 60)
    assert first.index("b") == second.index("x") == third.index("y")


def spread(value):
    return {"value": value, "lowest": value, "highest": value}


def test_image_metrics_name_the_nearest_samples_beside_the_floor():
    real = "Real data, other patients"
    distances = {"near": 6.0, "far": 9.0, real: 2.0}
    features = {
        name: {
            "frechet_distance": spread(distance),
            "kernel_distance": spread(0.1),
            **dict.fromkeys(
                ("precision", "recall", "density", "coverage"), spread(0.5)
            ),
        }
        for name, distance in distances.items()
    }
    results = {
        "resolution": 32,
        "notes": ["A model was skipped."],
        "classes": {"positive": {"class_name": "gastritis"}},
        "pixels": {
            "positive": {"swd": {name: {"swd_mean": spread(7.0)} for name in distances}}
        },
        "extractors": [
            {
                "extractor": {"name": "texture", "dim": 43},
                "metrics": {"positive": features},
            }
        ],
    }
    lines = lines_of(image_metrics_digest(results))

    at = lines.index("patches Fréchet precision recall coverage SWD")
    assert lines[at + 1 : at + 4] == [
        "near 6 0.5 0.5 0.5 7",
        "far 9 0.5 0.5 0.5 7",
        f"{real} 2 0.5 0.5 0.5 7",
    ]
    text = " ".join(lines)
    assert "A model was skipped." in lines
    assert "the gastritis samples of near are nearest, 3.0 times the floor." in text


def test_a_comparison_names_both_sides_and_what_only_one_has():
    first = make_result([5] * 10 + [0] * 10)
    second = make_result([5] * 4 + [0] * 16)
    (ours,), (theirs,) = first["extractors"], second["extractors"]
    ours["rows"].append(ours["rows"][0] | {"name": "DCGAN"})
    theirs["rows"][1]["positive_votes"] = [5] * 10 + [0] * 10
    second["extractors"].append(
        {"extractor": {"name": "vgg16_fc2", "dim": 9}, "rows": []}
    )
    result = compare(GanTrainResult(first), GanTrainResult(second))
    lines = lines_of(result.digest)

    assert lines[:2] == ["A: the first result", "B: the second result"]
    assert "Only in A: DCGAN with texture features." in lines
    assert "Only in B: vgg16_fc2 features." in lines
    assert lines[-1] == "Conclusion: LC-PGGAN with texture features is better in A."
    assert "Only in the first: DCGAN with texture features." in result.table
    assert comparison_digest(result.results) == result.digest


def test_equal_results_are_not_shown_to_differ():
    result = GanTrainResult(make_result([5] * 9 + [0] * 11))
    lines = lines_of(compare(result, result).digest)

    assert lines[-1].startswith("Conclusion: no row is shown to differ")
