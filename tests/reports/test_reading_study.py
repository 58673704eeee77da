"""`gastritis-gan reading-study`: from the page in a browser to the numbers."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import time

import numpy as np
import pytest
from PIL import Image

from gastritis_gan.reports import reading_study
from gastritis_gan.reports.reading_study import make_reading_study
from gastritis_gan.serving.exported_model import ExportedModel
from gastritis_gan.store.store import Store
from tests.helpers.striped_store import ToyGenerator, invoke, make_card

HEADER = "study,reader,number,origin,class,seconds"


@pytest.fixture(scope="module")
def study(workplace, models, tmp_path_factory):
    """A page of 4 x 4 images and its key, as the command makes them."""
    folder = tmp_path_factory.mktemp("study")
    result = invoke(
        "reading-study", "make", folder / "study.html", "--key", folder / "key.json",
        "--store", workplace / "store", "--exported", models, "--per-group", 4,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "16 images" in result.output
    return folder


def images_of(page):
    (listed,) = re.findall(r"images = (\[.*?\])", page.read_text(encoding="utf-8"))
    return [base64.b64decode(text) for text in json.loads(listed)]


def test_the_key_tells_what_every_image_is(study, workplace, models):
    key = json.loads((study / "key.json").read_text())
    groups = [(item["origin"], item["class"]) for item in key["items"]]
    for origin in ("real", "synthetic"):
        for target in ("positive", "negative"):
            assert groups.count((origin, target)) == 4
    store = Store.open(workplace / "store")
    names = {"positive": "lc_striped", "negative": "lc_blotched"}
    for item, content in zip(
        key["items"], images_of(study / "study.html"), strict=True
    ):
        shown = np.asarray(Image.open(io.BytesIO(content)), int)
        number = int(item["source"].split()[-1])
        if item["origin"] == "real":
            assert number in store.patch_set(item["class"], "test")
            expected = store.read([number], 16)[0, ..., 0]
        else:
            model = ExportedModel.open(models / names[item["class"]])
            expected = model.generate([number])[0, ..., 0]
        np.testing.assert_allclose(shown, expected, atol=1)


def test_real_patches_are_of_as_many_patients_as_there_are(study, workplace):
    key = json.loads((study / "key.json").read_text())
    store = Store.open(workplace / "store")
    for target in ("positive", "negative"):
        patches = [
            int(item["source"].split()[-1])
            for item in key["items"]
            if (item["origin"], item["class"]) == ("real", target)
        ]
        patients = [store.images[store.patch_image[p]].patient for p in patches]
        assert len(set(patients)) == 2  # all test patients of the class
        assert sorted(patients.count(patient) for patient in set(patients)) == [2, 2]


def test_nothing_on_the_page_betrays_the_key(study):
    text = (study / "study.html").read_text(encoding="utf-8")
    key = json.loads((study / "key.json").read_text())
    contents = images_of(study / "study.html")

    assert len({len(content) for content in contents}) == 1
    for content in contents:  # what stands before the pixels is the same everywhere
        with Image.open(io.BytesIO(content)) as image:
            assert image.info == {}
        assert content[:33] == contents[0][:33]
        assert content[33:].count(b"IDAT") == 1
        assert not {b"tEXt", b"eXIf", b"tIME"} & {content[i : i + 4] for i in range(99)}
    for secret in (str(key["seed"]), "lc_striped", "lc_blotched", "seed"):
        assert secret not in text
    assert not (study / "key.json").stat().st_mode & 0o077


def test_the_order_is_another_one_every_time(workplace, tmp_path, monkeypatch):
    def find_models(paths, *, split_hash):
        cards = [make_card("pggan", t, split_hash) for t in ("positive", "negative")]
        found = [ToyGenerator(card) for card in cards]
        for model in found:
            model.name, model.version = model.card["name"], 1
        return found, []

    monkeypatch.setattr(reading_study, "find_models", find_models)
    orders = []
    for number in range(3):
        key = tmp_path / f"{number}.json"
        make_reading_study(
            tmp_path / f"{number}.html", key=key, store=workplace / "store",
            exported=tmp_path, per_group=4,
        )  # fmt: skip
        items = json.loads(key.read_text())["items"]
        orders.append(tuple((item["origin"], item["class"]) for item in items))
    assert len(set(orders)) > 1  # 16! / 4!^4 = 63 million orders


def test_a_reader_reads_it_by_keyboard_and_the_file_is_analysed(
    browser, study, tmp_path
):
    key = json.loads((study / "key.json").read_text())
    downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    browser.open(study / "study.html")
    assert browser.run("return document.querySelector('.warning').textContent")
    browser.run("document.getElementById('reader').focus()")
    browser.press("A1", "\ue007")  # Enter starts
    keys = {"real": "1", "synthetic": "2", "positive": "3", "negative": "4"}
    browser.press("\ue007")
    assert "Answer both" in browser.run(
        "return document.getElementById('hint').textContent"
    )
    for item in key["items"]:
        assert browser.broken_images() == []
        wrong = {"real": "synthetic", "synthetic": "real"}[item["origin"]]
        browser.press(keys[wrong], keys[item["origin"]], keys[item["class"]])
        if item["number"] == 2:  # back and forth changes nothing
            browser.press("\ue003", "\ue007")
        if item["number"] == 3:  # nor does an interruption
            browser.driver.refresh()
            browser.run("document.getElementById('reader').value = 'A1'")
            browser.run("document.querySelector('#who button').click()")
        browser.press("\ue007")
    assert browser.run("return !document.getElementById('end').hidden")
    assert browser.errors() == []
    browser.run("document.getElementById('save').click()")
    saved = tmp_path / "answers_A1.csv"
    for _ in range(100):
        if saved.exists():
            break
        time.sleep(0.1)
    rows = list(csv.DictReader(io.StringIO(saved.read_text())))
    assert [(row["origin"], row["class"]) for row in rows] == [
        (item["origin"], item["class"]) for item in key["items"]
    ]

    result = invoke("reading-study", "analyse", saved, "--key", study / "key.json")
    assert result.exit_code == 0, result.output
    # Wilson's interval of 16 of 16, by hand: 1 / (1 + 1.96^2 / 16) = 0.806.
    assert "1.000 (0.806 to 1.000)" in result.output
    assert "A1 tells real from synthetic." in result.output
    assert max(map(len, result.output.splitlines())) <= 100


def write_answers(path, key, reader, *, wrong_origins=0, wrong_classes=0, leave_out=0):
    """Writes answers that are wrong for the first images, in the key's order."""
    other = {"real": "synthetic", "synthetic": "real"}
    other |= {"positive": "negative", "negative": "positive"}
    lines = [HEADER]
    for index, item in enumerate(key["items"][leave_out:]):
        origin, target = item["origin"], item["class"]
        origin = other[origin] if index < wrong_origins else origin
        target = other[target] if index < wrong_classes else target
        lines.append(f"{key['study']},{reader},{item['number']},{origin},{target},1.0")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_accuracy_and_agreement_are_those_of_a_hand_count(study, tmp_path):
    key = json.loads((study / "key.json").read_text())
    files = [
        write_answers(tmp_path / "a.csv", key, "A"),
        write_answers(tmp_path / "b.csv", key, "B", wrong_origins=4, wrong_classes=16),
        write_answers(tmp_path / "c.csv", key, "C", leave_out=6),
    ]
    result = invoke(
        "reading-study", "analyse", *files, "--key", study / "key.json", "--json"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    a, b, c = found["readers"]
    assert (a["origin"]["right"], b["origin"]["right"]) == (16, 12)
    assert b["origin"]["accuracy"] == 0.75
    np.testing.assert_allclose(  # of 12 in 16, as in tables of Wilson's interval
        b["origin"]["interval"], (0.5050, 0.8982), atol=1e-4
    )
    assert b["class_of_real"]["accuracy"] == b["class_of_synthetic"]["accuracy"] == 0
    assert c["num_images"] == c["origin"]["num_images"] == 10
    by_model = a["origin_by_model"]
    assert {name: rate["num_images"] for name, rate in by_model.items()} == {
        "lc_blotched/1": 4,
        "lc_striped/1": 4,
    }
    agreement = {tuple(pair["readers"]): pair for pair in found["agreement"]}
    assert agreement["A", "C"]["kappa"] == {"origin": 1.0, "class": 1.0}
    assert agreement["A", "C"]["num_images"] == 10
    assert agreement["A", "B"]["kappa"]["class"] == pytest.approx(-1)  # 8 + 8 swapped
    # A says "real" 8 times of 16; B as often as the first four images decide.
    swaps = sum(1 if i["origin"] == "synthetic" else -1 for i in key["items"][:4])
    real_b = (8 + swaps) / 16
    by_chance = 0.5 * real_b + 0.5 * (1 - real_b)
    expected = (12 / 16 - by_chance) / (1 - by_chance)
    assert agreement["A", "B"]["kappa"]["origin"] == pytest.approx(expected)


def test_readers_who_always_say_the_same_have_no_kappa(study, tmp_path):
    key = json.loads((study / "key.json").read_text())
    files = []
    for reader in "AB":
        lines = [
            f"{key['study']},{reader},{number},real,positive,1" for number in (1, 2, 3)
        ]
        files.append(tmp_path / f"{reader}.csv")
        files[-1].write_text("\n".join([HEADER, *lines]))
    result = invoke("reading-study", "analyse", *files, "--key", study / "key.json")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if "A and B" in line]
    assert line.split()[-3:] == ["3", "-", "-"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("other,A,1,real,positive,1", "row 2: it is of another study"),
        ("{study},A,99,real,positive,1", "row 2: it must name one image"),
        ("{study},A,1,fake,positive,1", "its origin (real, synthetic)"),
        ("{study},A,1,real,positive,1\n{study},A,1,real,positive,1", "row 3"),
        ("{study},A,1,real,positive,1\n{study},B,2,real,positive,1", "same reader"),
        ("{study},A,1", "row 2: it must name"),
        ("", "is not a reader's answers"),
    ],
)
def test_answers_that_cannot_be_used_are_refused(study, tmp_path, line, message):
    key = json.loads((study / "key.json").read_text())
    path = tmp_path / "a.csv"
    path.write_text(f"{HEADER}\n" + line.format(study=key["study"]))
    result = invoke("reading-study", "analyse", path, "--key", study / "key.json")
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_readers_second_file_is_refused(study, tmp_path):
    key = json.loads((study / "key.json").read_text())
    files = [write_answers(tmp_path / name, key, "A") for name in ("a.csv", "b.csv")]
    result = invoke("reading-study", "analyse", *files, "--key", study / "key.json")
    assert result.exit_code == 2
    assert "another file of the reader 'A'" in " ".join(result.output.split())


def test_too_few_patches_are_refused_and_nothing_is_left(workplace, models, tmp_path):
    result = invoke(
        "reading-study", "make", tmp_path / "s.html", "--key", tmp_path / "k.json",
        "--store", workplace / "store", "--exported", models, "--per-group", 500,
    )  # fmt: skip
    assert result.exit_code == 2
    assert "give a smaller --per-group" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_a_study_needs_both_classes(workplace, models, tmp_path):
    result = invoke(
        "reading-study", "make", tmp_path / "s.html", "--key", tmp_path / "k.json",
        "--store", workplace / "store", "--exported", models / "lc_striped",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "no model of the class 'blotched'" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())
