"""Forged, stale and hostile audits, cards, models and stores: none is accepted."""

import json
import os
import shutil

import pytest
from click.testing import CliRunner

from gastritis_gan.cli.main import main
from gastritis_gan.errors import InputError
from gastritis_gan.releases import release as releases
from gastritis_gan.serving.model_folder import card_hash
from gastritis_gan.store.pseudonym import seal
from tests.helpers.audits import (
    DATE,
    VERSIONS,
    change_card,
    document,
    entry_of,
    make_audit,
    read_card,
)
from tests.helpers.forged_models import seal as agree

KEY = bytes(range(32))
WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.fixture(scope="module")
def honest(exported, other_exported, tmp_path_factory):
    """Two models and a failed audit of them, sealed."""
    folder = tmp_path_factory.mktemp("honest")
    shutil.copytree(exported.parent, folder / "models" / "small")
    shutil.copytree(other_exported.parent, folder / "models" / "other")
    changes = {"name": "other", "target": "negative", "class_name": "normal"}
    change_card(folder / "models" / "other/1", **changes)
    (folder / "key").write_bytes(KEY)
    make_audit(folder / "passed", folder / "models", key=KEY)
    return folder


@pytest.fixture
def place(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / "place")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def release(place, *more, audit="passed", key=True):
    seal = ["--key-file", place / "key"] if key else []
    return run(
        "release", place / "models", "--per-class", 1, "--audit", place / audit,
        "--out", place / "release", *seal, *more,
    )  # fmt: skip


def is_refused(result, *outputs):
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.isprintable()
    assert len(line) < 600
    assert not any(output.exists() for output in outputs)


def edit(path, change):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content) or content))


def known(place, audit="passed"):
    """Names an audit in the cards, as whoever can write files would."""
    for version in VERSIONS:
        change_card(place / "models" / version, audits=[entry_of(place / audit)])


def flip(content):
    content["verdict"] = "pass"
    for generator in content["generators"]:
        generator["verdict"] = "pass"


def whiten(content):
    """Makes a failed audit pass in all its parts."""
    flip(content)
    for generator in content["generators"]:
        for decision in generator["decisions"]:
            decision["verdict"] = "pass"
    content["reasons"] = [
        f"{g['name']}, version {g['version']}, {d['test']}: {d['reason']}"
        for g in content["generators"]
        for d in g["decisions"]
    ]


def del_seal(content):
    del content["seal"]


def failed(change):
    """Returns what makes a failed audit, and edits it."""

    def forge(place):
        shutil.rmtree(place / "passed")
        make_audit(place / "passed", place / "models", "fail", key=KEY)
        edit(place / "passed" / "audit.json", change)
        known(place)

    return forge


def edited(change):
    def forge(place):
        edit(place / "passed" / "audit.json", change)
        known(place)

    return forge


def of(**changes):
    """Returns what makes an audit with a right seal that says something else."""

    def forge(place):
        shutil.rmtree(place / "passed")
        make_audit(place / "passed", place / "models", key=KEY, **changes)

    return forge


def written(content):
    def forge(place):
        (place / "passed" / "audit.json").write_bytes(content)

    return forge


def card(version="small/1", **changes):
    return lambda place: change_card(place / "models" / version, **changes)


def eight_lines(place):
    cards = [read_card(place / "models" / version) for version in VERSIONS]
    content = {
        "format": "gastritis-gan audit", "format_version": 2, "verdict": "pass",
        "reasons": ["no copy"], "split_hash": cards[0]["split_hash"],
        "models": document(cards)["models"], "generators": [], "seal": None,
    }  # fmt: skip
    (place / "passed" / "audit.json").write_text(json.dumps(content))
    known(place)


def sealed_by_another(place):
    def change(content):
        whiten(content)
        content.pop("seal")
        content["seal"] = seal(KEY[::-1], "audit", content)

    failed(change)(place)


def other_page(place):
    (place / "passed" / "report.html").write_text("Verdict: pass")


def another_ones(place):
    """The seal of another audit of the same models."""
    make_audit(place / "second", place / "models", "fail", key=KEY)
    other = json.loads((place / "passed" / "audit.json").read_text())["seal"]
    edit(place / "second" / "audit.json", lambda c: c.update(seal=other))
    shutil.rmtree(place / "passed")
    (place / "second").rename(place / "passed")
    known(place)


def pipe(place):
    (place / "passed" / "audit.json").unlink()
    os.mkfifo(place / "passed" / "audit.json")


def weights_exchanged(place):
    models = place / "models"
    shutil.copy(models / "other/1" / WEIGHTS, models / "small/1" / WEIGHTS)


def weights_and_card_exchanged(place):
    weights_exchanged(place)
    agree(place / "models" / "small/1")


def card_exchanged(place):
    models = place / "models"
    change_card(models / "small/1", files=read_card(models / "other/1")["files"])


def exported_again(place):
    """The next version is what a release takes."""
    small = place / "models" / "small"
    shutil.copytree(small / "1", small / "2")
    edit(small / "2/assets.extra/model_card.json", lambda c: c.update(version=2))


def audited_before_the_card_changed(place):
    change_card(place / "models" / "small/1", class_name="ulcer")
    shutil.rmtree(place / "passed")
    make_audit(place / "passed", place / "models", key=KEY)
    change_card(place / "models" / "small/1", class_name="gastritis")


def fewer(content):
    content["models"].pop()
    content["generators"].pop()


FORGERIES = {
    "a pass over failed tests": failed(lambda c: c.update(verdict="pass")),
    "passes over failed decisions": failed(flip),
    "all made to pass": failed(whiten),
    "all made to pass, unsealed": failed(lambda c: whiten(c) or c.update(seal=None)),
    "all made to pass, no seal": failed(
        lambda c: whiten(c) or (c.pop("seal") and None)
    ),
    "all made to pass, sealed with another key": sealed_by_another,
    "the seal of another audit": another_ones,
    "eight lines": eight_lines,
    "more seeds": edited(
        lambda c: (
            [m.update(num_seeds=10**6) for m in c["models"]]
            and [g.update(samples=10**6) for g in c["generators"]]
            and None
        )
    ),
    "weak settings hidden": of(settings={"samples_per_generator": 20_000}),
    "settings out of range": of(settings={"min_power": 0}),
    "settings that are not numbers": edited(
        lambda c: c["settings"].update(max_membership_auc=float("nan"))
    ),
    "no decisions": of(generators=[]),
    "control letters in a reason": of(reasons=["\x1b[2Jpass"]),
    "the page exchanged": other_page,
    "no document": written(b"[]"),
    "no JSON": written(b"\xff\xfe\x00"),
    "nested deeply": written(b"[" * 100_000),
    "an older format": edited(lambda c: c.update(format_version=1)),
    "a newer format": edited(lambda c: c.update(format_version=3)),
    "a pipe": pipe,
    "of fewer models": edited(fewer),
    "of another split": of(split_hash="1" * 64),
    "of an earlier card": audited_before_the_card_changed,
    "of an earlier version": exported_again,
    "class in a card": card(class_name="normal"),
    "target in a card": card(target="negative"),
    "split in a card": card(split_hash="1" * 64),
    "split in all cards": lambda place: [
        card(version, split_hash="1" * 64)(place) for version in VERSIONS
    ],
    "images of the training in a card": card(num_images=10**9),
    "name in a card": card(name="large"),
    "no audits in a card": card(audits=[]),
    "another audit in a card": card(
        audits=[{"verdict": "pass", "sha256": "0" * 64, "date": DATE}]
    ),
    "audits of another form in a card": card(audits={"verdict": "pass"}),
    "the other model's hashes in a card": card_exchanged,
    "weights exchanged": weights_exchanged,
    "weights and card exchanged": weights_and_card_exchanged,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(place, name):
    FORGERIES[name](place)
    is_refused(release(place), place / "release")


def test_the_honest_audit_is_accepted(place):
    result = release(place)
    assert result.exit_code == 0, result.output
    assert "the seal is whole" in (place / "release" / "DATASHEET.md").read_text()


def test_a_forgery_for_which_the_key_is_needed_is_named_without_it(place):
    FORGERIES["all made to pass"](place)
    assert release(place, key=False).exit_code == 0
    text = " ".join((place / "release" / "DATASHEET.md").read_text().split())
    assert "Its seal was not checked" in text


def test_a_risk_that_is_accepted_excuses_no_forgery(place):
    FORGERIES["all made to pass"](place)
    is_refused(release(place, "--accept-risk", "none"), place / "release")


def test_a_link_that_is_turned_while_a_release_is_made(place, monkeypatch):
    """What was checked is what is sampled, or nothing is."""
    models = place / "models"
    shutil.move(models / "small", place / "audited")
    (models / "small").symlink_to(place / "audited")
    shutil.copytree(models / "other", place / "published")
    clear = releases.clear

    def turn(*arguments, **options):
        cleared = clear(*arguments, **options)
        (models / "small").unlink()
        (models / "small").symlink_to(place / "published")
        return cleared

    monkeypatch.setattr(releases, "clear", turn)
    with pytest.raises(InputError, match="differs from what was exported"):
        releases.release(models, place / "release", per_class=1, audit=place / "passed")
    assert not (place / "release").exists()


def exchange_split(store):
    edit(store / "store.json", lambda c: c["images"][0].update(split="validation"))


def exchange_label(store):
    def change(content):
        image = content["images"][0]
        is_positive = image["label"] == "positive"
        image["label"] = "negative" if is_positive else "positive"

    edit(store / "store.json", change)


def exchange_patient(store):
    edit(store / "store.json", lambda c: c["images"][0].update(patient="0" * 24))


def exchange_pixels(store):
    first, second = sorted((store / "images").glob("*.png"))[:2]
    shutil.copy(first, second)


def exchange_hashes(store):
    path = store / "images" / "pixels.sha256"
    path.write_text(path.read_text().replace("a", "b"))


STORES = {
    "split": exchange_split,
    "label": exchange_label,
    "patient": exchange_patient,
    "pixels": exchange_pixels,
    "hashes": exchange_hashes,
    "split hash": lambda store: edit(
        store / "store.json", lambda c: c.update(split_hash="0" * 64)
    ),
    "an image less": lambda store: edit(
        store / "store.json", lambda c: c["images"].pop() and None
    ),
}


def test_forged_stores_are_refused(make_store, tmp_path):
    honest = make_store().path
    for name, forge in STORES.items():
        store = shutil.copytree(honest, tmp_path / name)
        forge(store)
        is_refused(run("inspect", store, "--out", tmp_path / "out"), tmp_path / "out")


def test_a_card_hash_covers_all_but_the_audits():
    card = {"class_name": "a", "audits": [1]}
    assert card_hash(card) == card_hash({"class_name": "a"})
    assert card_hash(card) != card_hash({"class_name": "b"})
