"""`gastritis-gan report`: an experiment on one page, as a browser shows it."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.config import config_to_dict
from gastritis_gan.evaluation.paper_tables import PAPER_TABLES
from gastritis_gan.privacy.verdict import write_audit
from gastritis_gan.reports.pictures import draw_curves
from gastritis_gan.training.run import Run
from tests.helpers.audits import document
from tests.helpers.striped_store import invoke
from tests.helpers.tiny_run import CONFIG


def row(name, numbers, **more):
    """Returns a row as in results.json, of value, low and high of each metric."""
    metrics = {}
    for key, (value, *interval) in zip(
        ("sensitivity", "specificity", "harmonic_mean", "auc"), numbers, strict=True
    ):
        metrics |= {key: value, f"{key}_interval": interval}
    return {"name": name, "sample_seed": 0, "generator_seed": 0, **metrics, **more}


def write_parts(folder, split_hash):
    """Writes a run, both kinds of results and an audit, with numbers made by hand."""
    record = {"model": "lc_pggan", "target": "positive", "class_name": "striped"}
    record |= {"split_hash": split_hash, "environment": {}}
    run = Run(folder / "runs" / "lc_striped", record, config_to_dict(CONFIG))
    run.create()
    for step, num_images, resolution in ((4, 16, 4), (7, 28, 8), (11, 44, 8)):
        run.append_metrics(
            {
                "step": step, "num_images": num_images, "resolution": resolution,
                "d_loss": 1.0 / step, "g_loss": None, "real_scores": 0.5,
                "fake_scores": -0.5, "quality": 30.0 - step,
                "verdicts": ["Look `<here>`."],
            }
        )  # fmt: skip
        sheet = Image.fromarray(np.full((130, 130), 10 * step, np.uint8))
        run.save_sheet(sheet, num_images)
    lc = [(0.9, 0.5, 1.0), (0.25, 0.1, 0.6), (0.391, 0.2, 0.7), (0.625, 0.4, 0.8)]
    real = [(0.5, 0.2, 0.8), (1.0, 0.7, 1.0), (0.667, 0.4, 0.9), (0.812, 0.6, 0.9)]
    rows = [row("LC-PGGAN", lc), row("Real data (Ideal)", real)]
    worse = {
        "first": "LC-PGGAN", "second": "Real data (Ideal)",
        "harmonic_mean_difference": -0.276,
        "harmonic_mean_difference_interval": [-0.5, -0.05],
    }  # fmt: skip
    (folder / "results").mkdir()
    (folder / "results" / "results.json").write_text(
        json.dumps(
            {
                "format": 3,
                "store": {
                    "split_hash": split_hash, "positive": "striped",
                    "negative": "blotched", "test_images": 8, "test_patients": 4,
                    "test_positive_images": 4, "test_negative_images": 4,
                },
                "protocol": {"resolution": 16},
                "code": {"gastritis-gan": "0.1.0"},
                "images": [],
                "extractors": [
                    {
                        "extractor": extractor,
                        "rows": rows,
                        "means": [],
                        "differences": [worse],
                    }
                    for extractor in (
                        {"name": "vgg16_fc2", "dim": 4096},
                        {"name": "texture", "dim": 43},
                    )
                ],
            }
        )
    )  # fmt: skip
    real_name = "Real data, other patients"
    distance = {"value": 12.5, "lowest": 11.0, "highest": 14.0}
    sets = {name: {"swd_mean": distance} for name in ("lc_striped", real_name)}
    (folder / "images").mkdir()
    (folder / "images" / "metrics.json").write_text(
        json.dumps(
            {
                "split_hash": split_hash,
                "classes": {
                    "positive": {"class_name": "striped", "num_patches_per_set": 40}
                },
                "pixels": {"positive": {"swd": sets, "diversity": sets}},
                "extractors": [],
            }
        )
    )
    (folder / "audit").mkdir()
    reason = "at this AUC about 53 patients of each group would be needed."
    (folder / "audit" / "report.html").write_text("the page")
    card = {"name": "lc_striped", "version": 1, "model_hash": "cd" * 32}
    content = document([card | {"split_hash": split_hash}], "undecided", reason=reason)
    write_audit(folder / "audit", content, key=None)


@pytest.fixture(scope="module")
def parts(workplace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    store = json.loads((workplace / "store" / "store.json").read_text())
    write_parts(folder, store["split_hash"])
    return folder


@pytest.fixture(scope="module")
def page(workplace, models, parts):
    out = parts / "report.html"
    result = invoke(
        "report", out, "--store", workplace / "store", "--runs", parts / "runs",
        "--exported", models, "--results", parts / "results",
        "--results", parts / "images", "--audit", parts / "audit",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert str(out) in result.output
    return out


def test_the_page_has_every_part_and_needs_nothing_else(page):
    text = page.read_text(encoding="utf-8")

    assert "Missing on this page" not in text
    for expected in (
        "16 images of 8 patients",
        "Shows patients: stays inside the hospital.",
        "lc_striped, version 1",
        "0.391 (0.200 to 0.700)",
        "-0.276 (-0.500 to -0.050): worse than real data",
        "12.5 (11 to 14)",
        "Real data, other patients (floor)",
        "about 53 patients of each group",
        "Look <code>&lt;here&gt;</code>.",
        "latent_dim: 8",  # of the run's settings
    ):
        assert expected in text, expected
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "http" not in text.replace("http-equiv", "")


def test_the_papers_value_stands_beside_the_papers_features_only(browser, page):
    browser.open(page)
    tables = browser.run(
        """return [...document.querySelectorAll('#gan-train table')].map(t =>
             [t.caption.textContent, [...t.rows].map(r => [...r.cells].map(c =>
             c.textContent.trim()))])"""
    )
    (_, vgg), (_, texture), *paper = tables

    assert vgg[0][-1] == "HM in the paper"
    assert [line[-1] for line in vgg[1:]] == ["0.777", "0.879"]
    assert texture[0][-1] == "AUC"
    assert [title.split(":")[0] for title, _ in paper] == [
        "Table 1",
        "Table 2",
        "Table 3",
    ]


def test_a_browser_shows_it_without_an_error_and_with_every_image(browser, page):
    browser.open(page)

    assert browser.errors() == []
    assert browser.broken_images() == []
    alternatives = browser.run("return [...document.images].map(i => i.alt)")
    assert len(alternatives) == 2 + 2 + 1 + 2  # real, models, curves, stages
    assert all(len(text) > 20 for text in alternatives)
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def order(browser, column):
    return browser.run(
        f"""const rows = document.querySelector('#gan-train tbody').rows;
        return [...rows].map(r => r.cells[{column}].textContent)"""
    )


def test_a_heading_sorts_by_mouse_and_by_keyboard(browser, page):
    browser.open(page)
    button = "document.querySelectorAll('#gan-train thead button')[1]"
    browser.run(f"{button}.click()")
    assert [text[:5] for text in order(browser, 1)] == ["0.500", "0.900"]
    heading = f"{button}.parentElement.getAttribute('aria-sort')"
    assert browser.run(f"return {heading}") == "ascending"
    browser.run(f"{button}.focus()")
    browser.press("\n")
    assert [text[:5] for text in order(browser, 1)] == ["0.900", "0.500"]
    assert browser.run(f"return {heading}") == "descending"


def test_numbers_with_commas_sort_as_numbers_and_texts_last(browser, page):
    browser.open(page)
    browser.run(
        """const cells = document.querySelectorAll('#cohort tbody td:last-child');
        ['1,000', '20', '-', '3'].forEach((text, i) => cells[i].textContent = text);
        document.querySelector('#cohort th:last-child button').click()"""
    )
    texts = browser.run(
        """return [...document.querySelectorAll('#cohort tbody td:last-child')]
        .map(c => c.textContent)"""
    )
    numbers = [int(t.replace(",", "")) for t in texts if t != "-"]
    assert texts[-1] == "-"
    assert numbers == sorted(numbers)
    assert {3, 20, 1000} <= set(numbers)


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_the_contrast_that_wcag_asks_for(browser, page, scheme):
    browser.open(page)
    browser.show(scheme)
    page_colour = luminance(
        browser.run("return getComputedStyle(document.body).backgroundColor")
    )
    assert (page_colour > 0.5) == (scheme == "light")
    for selector in ("body", "figcaption", "nav a", ".warning"):
        colour = luminance(
            browser.run(
                f"return getComputedStyle(document.querySelector('{selector}')).color"
            )
        )
        low, high = sorted((colour, page_colour))
        assert (high + 0.05) / (low + 0.05) >= 4.5, selector  # WCAG 2.2, 1.4.3
    browser.show("light")


def test_on_paper_every_page_warns(browser, page):
    browser.open(page)
    script = """return ['.every-page', 'nav'].map(s => getComputedStyle(
        document.querySelector(s)).display !== 'none')"""
    assert browser.run(script) == [False, True]
    browser.show(medium="print")
    assert browser.run(script) == [True, False]
    browser.show()


def test_what_is_missing_is_named(workplace, tmp_path):
    out = tmp_path / "report.html"
    result = invoke("report", out, "--store", workplace / "store")

    assert result.exit_code == 0, result.output
    named = out.read_text().split("Missing on this page")[1].split("</section>")[0]
    for option in ("--runs", "--exported", "--results", "--audit"):
        assert option in named


@pytest.mark.parametrize("part", ["results", "images", "audit"])
def test_a_part_of_another_split_is_refused(workplace, tmp_path, part):
    write_parts(tmp_path, "ab" * 32)
    option = "--audit" if part == "audit" else "--results"
    result = invoke(
        "report", tmp_path / "r.html", "--store", workplace / "store",
        option, tmp_path / part,
    )  # fmt: skip

    assert result.exit_code == 2
    assert f"{part} is about another split" in " ".join(result.output.split())
    assert not (tmp_path / "r.html").exists()


def test_a_run_of_another_split_is_left_out_by_name(workplace, tmp_path):
    write_parts(tmp_path, "ab" * 32)
    out = tmp_path / "r.html"
    result = invoke(
        "report", out, "--store", workplace / "store", "--runs", tmp_path / "runs"
    )

    assert result.exit_code == 0, result.output
    assert "lc_striped was skipped" in out.read_text()


def test_an_existing_page_stays(workplace, tmp_path):
    out = tmp_path / "r.html"
    out.write_text("kept")
    result = invoke("report", out, "--store", workplace / "store")

    assert result.exit_code == 2
    assert "exists already" in result.output
    assert out.read_text() == "kept"


def test_the_papers_numbers_are_those_of_its_tables(shared_dir):
    lines = (shared_dir / "paper.txt").read_text(encoding="utf-8").splitlines()
    printed = []
    for line in lines:
        cells = re.sub(r"</?b>", "", line).split("\t")
        if len(cells) == 4 and cells[1] != "Sen":
            printed.append((cells[0], *map(float, cells[1:])))
    assert [tuple(r) for rows in PAPER_TABLES.values() for r in rows] == printed


def test_the_papers_harmonic_means_are_those_of_its_rates():
    for rows in PAPER_TABLES.values():
        for _, sensitivity, specificity, harmonic_mean in rows:
            expected = 2 * sensitivity * specificity / (sensitivity + specificity)
            assert harmonic_mean == pytest.approx(expected, abs=0.0016)  # Eq. 10


def test_a_value_between_ticks_that_measured_none_is_seen():
    """Quality is not measured in a transition: no line leads to it, so it is a dot."""
    ticks = [
        {"num_images": 1000 * number, "resolution": 8, **quality}
        for number, quality in enumerate([{}, {"quality": 0.5}, {}, {"quality": 0.25}])
    ]
    uri, _ = draw_curves(ticks)
    svg = base64.b64decode(uri.partition(",")[2]).decode()
    dots = re.findall(r'<use [^>]*style="fill: #d55e00[^>]*>', svg)
    assert len(dots) == 2 + 1  # the ticks', and that of the legend
    assert svg.count(">not measured<") == 2  # losses and scores
