from __future__ import annotations

import csv
import io

import pytest

from gastritis_gan.evaluation.rows import REAL_DATA_ROW
from gastritis_gan.evaluation.table_files import csv_table, escape, latex_tables
from gastritis_gan.evaluation.tables import markdown_tables, summary_table
from tests.helpers.gan_train_results import make_row, make_table_results


@pytest.fixture
def results():
    return make_table_results()


def test_markdown_has_the_papers_columns_and_every_row_its_n(results):
    text = markdown_tables(results)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    header, rule, row = lines[:3]
    assert header.split(" | ")[2:5] == ["Sen", "Spe", "HM"]
    assert header.count("|") == rule.count("|") == row.count("|")
    assert row.startswith("| LC-PGGAN | 5,000 + 4,990 | 0.750 (0.301 to 0.954) | 0.500")
    assert row.endswith("| 0.900 (0.500 to 1.250) | 3 | 1 | 1 | 1 | 2 |")
    assert lines[3].split(" | ")[6] == "-"  # retention is undefined
    assert "## vgg16_fc2 (4,096 features)\n" in text
    assert "6 real test images (4 gastritis, 2 non_gastritis) of 6 patients" in text
    assert "left out because no patch votes: 1." in text
    assert "- There is no pggan generator." in text
    assert "The SVM of LC-PGGAN stopped before it converged." in text


@pytest.mark.parametrize(
    ("weights", "remark"),
    [("random", "RANDOM WEIGHTS"), ("not verified", "not verified to be ImageNet's")],
)
def test_weights_that_are_not_imagenets_are_in_the_title(results, weights, remark):
    results["extractors"][0]["extractor"]["weights"] = weights
    titles = [t for t in markdown_tables(results).splitlines() if t.startswith("## ")]
    assert remark in titles[0]
    assert remark in latex_tables(results)


def test_runs_of_a_row_are_told_apart(results):
    results["extractors"][0]["rows"][1]["name"] = "LC-PGGAN"
    text = markdown_tables(results)
    assert "| LC-PGGAN, generator seed 3, sample seed 0 |" in text
    assert "| LC-PGGAN, sample seed 0 |" in text


def test_csv_is_one_line_per_way_to_decide(results):
    rows = results["extractors"][0]["rows"]
    variant = make_row("", 0.7) | {
        "voters": "all", "rule": "mean_score", "unit": "patient",
    }  # fmt: skip
    del variant["retention"], variant["retention_interval"]
    rows[0]["variants"] = [variant]
    lines = list(csv.DictReader(io.StringIO(csv_table(results))))
    assert [line["name"] for line in lines] == ["LC-PGGAN"] * 2 + [
        "PGGAN",
        REAL_DATA_ROW,
    ]
    assert lines[0]["voters"] == "inside"
    assert lines[0]["rule"] == "majority"
    assert lines[0]["harmonic_mean_low"] == "0.400000"
    assert lines[1]["unit"] == "patient"
    assert lines[1]["harmonic_mean"] == "0.700000"
    assert lines[1]["retention"] == lines[2]["retention"] == ""


def test_latex_marks_the_best_generated_row(results):
    text = latex_tables(results)
    lines = [line.strip() for line in text.splitlines() if line.endswith(r"\\")]
    assert lines == [
        r"Training data & Patches & Sen & Spe & HM \\",
        r"LC-PGGAN & 5000 + 4990 & 0.750 (0.301--0.954) & 0.500 (0.095--0.905) & "
        r"\textbf{0.600 (0.400--0.800)} \\",
        r"PGGAN & 5000 + 4990 & 0.750 (0.301--0.954) & 0.500 (0.095--0.905) & "
        r"0.500 (0.400--0.800) \\",
        r"Real data (Ideal) & 5000 + 4990 & 0.750 (0.301--0.954) & "
        r"0.500 (0.095--0.905) & 0.900 (0.400--0.800) \\",
    ]
    assert r"4 gastritis and 2 non\_gastritis test images of 6 patients" in text


def with_two_runs(results):
    """The first row twice, and what the mean over both may be."""
    (evaluation,) = results["extractors"]
    evaluation["rows"].insert(1, make_row("LC-PGGAN", 0.2, generator_seed=4))
    evaluation["means"] = [
        {
            "name": "LC-PGGAN",
            "num_runs": 2,
            "num_positive": 4,
            "num_negative": 2,
            "sensitivity": 0.7,
            "sensitivity_interval": (0.1, 0.9),
            "specificity": 0.6,
            "specificity_interval": (0.2, 0.8),
            "harmonic_mean": 0.4,
            "harmonic_mean_interval": (0.1, 0.7),
            "retention": 0.444,
            "retention_interval": (0.2, 0.8),
            "standard_deviation": 0.283,
            "lowest": 0.2,
            "highest": 0.6,
        }
    ]
    return results


def test_the_summary_has_features_rows_and_means_over_runs(results):
    lines = summary_table(with_two_runs(results)).splitlines()
    assert lines[0] == (
        "| Features | Training data | runs | Sen | Spe | HM | retention |"
    )
    features = "| vgg16_fc2 (4,096 features) |"
    assert lines[2:5] == [
        f"{features} LC-PGGAN | 2 | 0.700 (0.100 to 0.900) | 0.600 (0.200 to 0.800) | "
        "0.400 (0.100 to 0.700) | 0.444 (0.200 to 0.800) |",
        f"{features} PGGAN | 1 | 0.750 (0.301 to 0.954) | 0.500 (0.095 to 0.905) | "
        "0.500 (0.400 to 0.800) | - |",
        f"{features} {REAL_DATA_ROW} | 1 | 0.750 (0.301 to 0.954) | "
        "0.500 (0.095 to 0.905) | 0.900 (0.400 to 0.800) | 0.900 (0.500 to 1.250) |",
    ]
    assert lines[5] == ""


def test_a_row_of_several_runs_is_one_line_of_latex(results):
    text = latex_tables(with_two_runs(results))
    assert text.count("LC-PGGAN") == 1
    assert r"LC-PGGAN & 5000 + 4990 & 0.700 (0.100--0.900)" in text
    assert r"\textbf{0.500 (0.400--0.800)}" in text  # the best is another row now
    assert "means over them" in text


def test_latex_escapes_what_is_special():
    assert escape(r"a_b & 5 % {x} \y ~ ^ # $") == (
        r"a\_b \& 5 \% \{x\} \textbackslash{}y \textasciitilde{} "
        r"\textasciicircum{} \# \$"
    )
