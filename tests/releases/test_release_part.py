import pytest

from gastritis_gan.errors import InputError
from gastritis_gan.releases import release_part
from gastritis_gan.releases.release_part import (
    balanced_counts,
    keep_paper_mix,
    read_models,
    release_parts,
)


def card(model, target, **changes):
    return {
        "name": f"{model}_{target}",
        "version": 1,
        "model": model,
        "target": target,
        "class_name": {"positive": "gastritis", "negative": "normal"}[target],
        "split_hash": "a",
        "resolution": 16,
        **changes,
    }


CARDS = {
    f"{model}_{target}": card(model, target)
    for model in ("dcgan", "pggan", "lc_pggan")
    for target in ("positive", "negative")
}


@pytest.fixture
def read(monkeypatch):
    def read(cards):
        monkeypatch.setattr(release_part, "read_model_card", cards.get)
        return read_models(list(cards))

    return read


def test_the_papers_mix(read):
    kept = keep_paper_mix(read(CARDS))
    assert list(kept) == [
        "lc_pggan_positive",
        "lc_pggan_negative",
        "pggan_positive",
        "pggan_negative",
    ]
    without = {name: c for name, c in CARDS.items() if name != "pggan_negative"}
    with pytest.raises(InputError, match="one pggan model of the negative class; 0"):
        keep_paper_mix(without)
    twice = {**CARDS, "again": card("lc_pggan", "positive", name="again")}
    with pytest.raises(InputError, match="one lc_pggan model of the positive class; 2"):
        keep_paper_mix(twice)


def test_classes_are_balanced_whatever_their_models():
    cards = {name: c for name, c in CARDS.items() if name != "dcgan_negative"}
    assert balanced_counts(cards, per_class=10) == {
        "dcgan_positive": 4,
        "pggan_positive": 3,
        "lc_pggan_positive": 3,
        "pggan_negative": 5,
        "lc_pggan_negative": 5,
    }
    with pytest.raises(InputError, match="2 images per class are fewer"):
        balanced_counts(cards, per_class=2)


def test_no_seed_is_used_twice(monkeypatch):
    monkeypatch.setattr(release_part, "model_hash", lambda folder: f"hash of {folder}")
    counts = dict(zip(CARDS, (4, 1, 5, 9, 2, 6), strict=True))
    parts = release_parts(CARDS, counts, seed=100)
    assert [part.seed for part in parts] == [100, 104, 105, 110, 119, 121]
    assert parts[1].model_hash == "hash of dcgan_negative"
    assert parts[1].origin == "dcgan_negative/1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_hash": "b"}, "one split; these differ"),
        ({"resolution": 32}, "one size of images; these differ"),
        ({"name": "pggan_positive"}, "given twice"),
    ],
)
def test_models_that_do_not_belong_together(read, changes, message):
    cards = {
        **CARDS,
        "other": card("pggan", "positive", **{"name": "other", **changes}),
    }
    with pytest.raises(InputError, match=message):
        read(cards)
